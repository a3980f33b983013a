internal import SpoolSQLite

/// Whether the log beside a spool is its own. Asked before SQLite, which believes any log, sees the two.
enum LogMatch {
    /// It is, as far as can be seen; or there is none.
    case own
    /// There is a log, and no database or an empty one. SQLite would erase the log without a word
    /// (`pagerOpenWalIfPresent` in its pager.c), even for a connection that reads only.
    case orphaned
    /// It is another spool's: read together, the two would give neither.
    case foreign

    init(path: String, vfs: String?) {
        self = .own
        guard SpoolDoctor.size(of: path + "-wal") > 0 else { return }
        guard SpoolDoctor.size(of: path) > 0 else {
            self = .orphaned
            return
        }
        // The keys are drawn at random when a spool is made, and never change. Two spools have neither in
        // common; damage to the row would have to hit both and leave all else sound.
        guard let database = Self.row(path, .alone, vfs), let both = Self.row(path, .query, vfs),
            database.key0 != both.key0, database.key1 != both.key1
        else { return }
        self = .foreign
    }

    private static func row(
        _ path: String, _ access: Connection.Access, _ vfs: String?
    ) -> SpoolRow? {
        try? SpoolRow(Connection(path: path, access: access, vfs: vfs))
    }

    /// What a doctor says of it; nil when nothing is wrong.
    func finding(on path: String) -> DoctorFinding? {
        switch self {
        case .own: nil
        case .orphaned:
            .damage(
                "log",
                "\(path) is missing or empty, and its log of "
                    + "\(SpoolDoctor.size(of: path + "-wal")) bytes is not")
        case .foreign: .damage("log", "\(path)-wal is the log of another spool")
        }
    }
}
