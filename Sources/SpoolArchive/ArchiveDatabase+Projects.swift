import SpoolCore
import SpoolSQLite

/// What `GET /projects` asks for.
///
/// `filter` finds a part of the name, ASCII letters in either case. The archive knows no users, so
/// no project has the one that a `user_filter` names.
struct ProjectQuery: Sendable {
    /// From 0.
    let page: Int
    /// Projects of a page.
    let size: Int
    let filter: String?
    let isOfUser: Bool
    let sortedBy: Column
    let order: Order

    /// What projects can be sorted by.
    enum Column: String, CaseIterable {
        case createdAt = "created_at"
        case updatedAt = "updated_at"
        case name
    }

    /// A direction.
    enum Order: String, CaseIterable {
        case ascending = "asc"
        case descending = "desc"
    }

    init(_ query: ArchiveQuery, _ mistakes: inout Mistakes) {
        page = query.integer("page", absent: 0, in: 0...Int.max, &mistakes)
        size = query.integer("size", absent: 10, in: 1...LogQuery.sizeMax, &mistakes)
        filter = query["filter"]
        isOfUser = query["user_filter"].map { !$0.isEmpty } ?? false
        sortedBy = query.choice("sort_by", absent: .createdAt, &mistakes)
        order = query.choice("order", absent: .descending, &mistakes)
    }

    /// The first project of the page, counted from 0; beyond all where that has no number.
    var offset: Int64 {
        let (offset, isBeyondAll) = page.multipliedReportingOverflow(by: size)
        return isBeyondAll ? .max : Int64(offset)
    }
}

extension ArchiveDatabase {
    /// The project with this id.
    func storedProject(id: String) throws -> Result<StoredProject, ArchiveRefusal> {
        let query = try prepared(
            "SELECT number, id, name, created_at, updated_at, logs, sessions FROM project "
                + "WHERE id = ?")
        query.bind(1, id)
        guard try query.step() else { return .failure(.unknown("no project with id \(id)")) }
        defer { query.reset() }
        return .success(StoredProject(query))
    }

    /// A page of all projects, and how many there are on all pages.
    func projects(
        _ wanted: ProjectQuery
    ) throws -> (projects: [StoredProject], total: Int64) {
        guard !wanted.isOfUser else { return ([], 0) }
        let condition = "?1 IS NULL OR instr(lower(name), lower(?1)) > 0"
        let count = try prepared("SELECT count(*) FROM project WHERE \(condition)")
        count.bind(1, wanted.filter)
        _ = try count.step()
        let total = count.integer(0)
        count.reset()
        let direction = wanted.order == .ascending ? "ASC" : "DESC"
        let query = try prepared(
            """
            SELECT number, id, name, created_at, updated_at, logs, sessions FROM project
            WHERE \(condition)
            ORDER BY \(wanted.sortedBy.rawValue) \(direction), number \(direction)
            LIMIT ?2 OFFSET ?3
            """)
        query.bind(1, wanted.filter)
        query.bind(2, Int64(wanted.size))
        query.bind(3, wanted.offset)
        var projects: [StoredProject] = []
        while try query.step() { projects.append(StoredProject(query)) }
        return (projects, total)
    }
}

extension StoredProject {
    fileprivate init(_ row: Statement) {
        self.init(
            number: row.integer(0), id: row.text(1), name: row.text(2), createdAt: row.time(3),
            updatedAt: row.time(4), logs: row.integer(5), sessions: row.integer(6))
    }
}
