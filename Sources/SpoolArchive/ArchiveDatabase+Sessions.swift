import SpoolCore
import SpoolSQLite

extension ArchiveDatabase {
    /// The session with this id.
    func storedSession(id: String) throws -> Result<StoredSession, ArchiveRefusal> {
        guard let number = try session(id: id), let session = try storedSession(number) else {
            return .failure(.unknown("no session with id \(id)"))
        }
        return .success(session)
    }

    /// A page of the sessions that have a log in a project, the newest session first, and how many
    /// there are on all pages.
    ///
    /// - Parameters:
    ///   - page: from 1.
    ///   - bytesMax: a page of sessions whose first and last logs hold more is refused, so that no
    ///     answer fills the memory; one session is always given.
    func sessions(
        ofProject id: String, page: Int, size: Int, settings: ArchiveSettings
    ) throws -> Result<(sessions: [StoredSession], total: Int64), ArchiveRefusal> {
        let project: StoredProject
        switch try storedProject(id: id) {
        case .success(let found): project = found
        case .failure(let refusal): return .failure(refusal)
        }
        let (offset, isBeyondAll) = (page - 1).multipliedReportingOverflow(by: size)
        guard !isBeyondAll, offset < project.sessions else {
            return .success(([], project.sessions))
        }
        var sessions: [StoredSession] = []
        var bytes = 0
        for number in try sessionNumbers(ofProject: project.number, offset: offset, size: size) {
            guard let session = try storedSession(number) else { continue }
            sessions.append(session)
            bytes += session.bytes
            guard sessions.count == 1 || bytes <= settings.pageBytesMax else {
                return .failure(.mistakes(.pageTooLarge(settings)))
            }
        }
        return .success((sessions, project.sessions))
    }

    /// The numbers of a page of sessions, newest first. What comes before the page is stepped over
    /// in statements of their own, each short.
    private func sessionNumbers(
        ofProject project: Int64, offset: Int, size: Int
    ) throws -> [Int64] {
        var (place, rest) = (Int64.max, offset)
        while rest > 0 {
            let step = min(rest, 50_000)
            let last = try sessionNumbers(
                ofProject: project, before: place, skip: step - 1, take: 1)
            guard let end = last.first else { return [] }
            place = end
            rest -= step
        }
        return try sessionNumbers(ofProject: project, before: place, skip: 0, take: size)
    }

    private func sessionNumbers(
        ofProject project: Int64, before place: Int64, skip: Int, take: Int
    ) throws -> [Int64] {
        let query = try prepared(
            "SELECT session FROM project_session WHERE project = ? AND session < ? "
                + "ORDER BY session DESC LIMIT ? OFFSET ?")
        query.bind(1, project)
        query.bind(2, place)
        query.bind(3, Int64(take))
        query.bind(4, Int64(skip))
        var numbers: [Int64] = []
        while try query.step() { numbers.append(query.integer(0)) }
        return numbers
    }

    // MARK: One session

    private func storedSession(_ number: Int64) throws -> StoredSession? {
        let query = try prepared(
            "SELECT id, reference, created_at, updated_at, logs FROM session WHERE number = ?")
        query.bind(1, number)
        guard try query.step() else { return nil }
        // As long as the row is not left, the next queries see the same snapshot
        // (sqlite.org/isolation.html).
        defer { query.reset() }
        return StoredSession(
            id: query.text(0), reference: query.optionalText(1), createdAt: query.time(2),
            updatedAt: query.time(3), logs: query.integer(4), projects: try projects(of: number),
            first: try texts(ofLogInSession: number, "ASC"),
            last: try texts(ofLogInSession: number, "DESC"))
    }

    /// The first 1,000 projects that have a log in a session.
    private func projects(of session: Int64) throws -> [(id: String, name: String)] {
        let query = try prepared(
            """
            SELECT project.id, project.name FROM project_session
                JOIN project ON project.number = project_session.project
            WHERE project_session.session = ? ORDER BY project.number LIMIT 1000
            """)
        query.bind(1, session)
        var projects: [(id: String, name: String)] = []
        while try query.step() { projects.append((query.text(0), query.text(1))) }
        return projects
    }

    private func texts(
        ofLogInSession session: Int64, _ direction: String
    ) throws -> StoredSession.Texts? {
        let query = try prepared(
            "SELECT output, body FROM log WHERE session = ? ORDER BY number \(direction) LIMIT 1")
        query.bind(1, session)
        guard try query.step() else { return nil }
        defer { query.reset() }
        return (query.optionalBytes(0), query.bytes(1))
    }
}
