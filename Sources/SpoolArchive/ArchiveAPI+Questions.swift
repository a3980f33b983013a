import SpoolCore
import SpoolSQLite
import SpoolServer

/// The operations that change nothing: answered on the reader's thread, on a full disk too.
extension ArchiveAPI {
    /// `GET /logs/{id}`
    func getLog(_ id: String, _ reply: @escaping Reply) {
        ask(reply) { reader in
            try reader.storedLog(id: id)
        } answer: { writer, log in
            try writer.log(log)
        }
    }

    /// `GET /logs`
    func listLogs(
        _ query: ArchiveQuery, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        walk(try checked { LogQuery(query, &$0) }, reply)
    }

    /// `POST /projects/{id}/export`
    func exportProject(
        _ id: String, _ query: ArchiveQuery, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        walk(try checked { LogQuery(exportOf: id, query, &$0) }, reply)
    }

    /// `GET /projects/{id}`
    func getProject(_ id: String, _ reply: @escaping Reply) {
        ask(reply) { reader in
            try reader.storedProject(id: id)
        } answer: { [teamID] writer, project in
            writer.project(project, teamID: teamID)
        }
    }

    /// `GET /projects`
    func listProjects(
        _ query: ArchiveQuery, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let wanted = try checked { ProjectQuery(query, &$0) }
        ask(reply) { reader in
            .success(try reader.projects(wanted))
        } answer: { [teamID] writer, found in
            writer.page(found.projects, wanted.page, wanted.size, total: found.total) {
                $0.project($1, teamID: teamID)
            }
        }
    }

    /// `GET /sessions/{id}`
    func getSession(_ id: String, _ reply: @escaping Reply) {
        ask(reply) { reader in
            try reader.storedSession(id: id)
        } answer: { writer, session in
            try writer.session(session)
        }
    }

    /// `GET /sessions`
    func listSessions(
        _ query: ArchiveQuery, _ reply: @escaping Reply
    ) throws(ArchiveBody.Refused) {
        let (project, page, size) = try checked {
            (
                query.required("project_id", &$0),
                query.integer("page", absent: 1, in: 1...Int.max, &$0),
                query.integer("size", absent: 10, in: 1...LogQuery.sizeMax, &$0)
            )
        }
        ask(reply) { [settings] reader in
            try reader.sessions(ofProject: project, page: page, size: size, settings: settings)
        } answer: { writer, found in
            try writer.page(found.sessions, page, size, total: found.total) { try $0.session($1) }
        }
    }

    // MARK: Reading

    /// What was made of a query, or all that is wrong with it.
    private func checked<Value>(
        _ make: (inout Mistakes) -> Value
    ) throws(ArchiveBody.Refused) -> Value {
        var mistakes = Mistakes()
        let value = make(&mistakes)
        guard mistakes.isEmpty else { throw ArchiveBody.Refused(mistakes) }
        return value
    }

    private func ask<Outcome>(
        _ reply: @escaping Reply,
        _ find: @escaping @Sendable (ArchiveReader) throws -> Result<Outcome, ArchiveRefusal>,
        answer write: @escaping @Sendable (inout JSONWriter, Outcome) throws -> Void
    ) {
        read(reply) { reader in HTTPAnswer(try find(reader), status: 200, write) }
    }

    private func walk(_ query: LogQuery, _ reply: @escaping Reply) {
        let walk = LogWalk(query, settings: settings)
        turns.take { [turns] in
            step(walk) { answer in
                turns.give()
                reply(answer)
            }
        }
    }

    private func step(_ walk: LogWalk, _ reply: @escaping Reply) {
        read(reply) { reader in
            try walk.step(reader)
        } orAgain: {
            step(walk, reply)
        }
    }

    /// Answers what `work` yields; where it yields nothing, `again` is called behind the questions
    /// that came in the meantime.
    private func read(
        _ reply: @escaping Reply, _ work: @escaping @Sendable (ArchiveReader) throws -> HTTPAnswer?,
        orAgain again: @escaping @Sendable () -> Void = {}
    ) {
        reader.submit { reader in
            let answer = try work(reader)
            return { if let answer { reply(answer) } else { again() } }
        } orElse: { failure in
            switch failure {
            case .refused(let words), .contradicted(let words):
                reply(
                    .detail(
                        status: 500,
                        "the archive could not read its file, so this is not known; ask again, "
                            + "and check the disk: \(words)"))
            case .stopped, .withdrawn:
                reply(unavailable("the archive is stopping; ask this again"))
            }
        }
    }
}
