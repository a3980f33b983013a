internal import Glibc
internal import SpoolCore
internal import SpoolSQLite

/// Examines a spool's file: beside the daemon that has it open, or while nobody has.
///
/// It reads only, and never checkpoints. Each question is one statement, so that beside a running daemon
/// each answer is true of one moment; the longest, of the pages, keeps the log from beginning anew meanwhile.
public enum SpoolDoctor {
    /// Examines the spool in a directory.
    ///
    /// - Throws: ``QueueError/unusable(path:errno:words:)`` when there is no spool or it cannot be read,
    ///   `DurableFileError` for a file that is newer or another program's, or what the disk refused.
    public static func examine(directory: String) throws -> DoctorReport {
        let path = directory + "/spool.db"
        guard access(path, R_OK) == 0 else {
            throw QueueError.unusable(
                path: path, errno: errno, words: String(cString: strerror(errno)))
        }
        return try examine(path: path)
    }

    static func examine(path: String, vfs: String? = nil) throws -> DoctorReport {
        do {
            let connection = try Connection(path: path, access: .query, vfs: vfs)
            var examination = Examination(connection, DoctorReport(path: path))
            if try examination.isUsable() { try examination.run() }
            examination.report.logBytes = size(of: path + "-wal")
            return examination.report
        } catch let error as SQLiteError where !error.isOfTheDisk {
            var report = DoctorReport(path: path)
            report.findings = [.damage("file", "\(error)")]
            return report
        }
    }

    /// The first thing that is wrong with a file, without reading all of it; nil when there is none.
    static func glance(path: String, vfs: String? = nil) throws -> DoctorFinding? {
        do {
            let connection = try Connection(path: path, access: .query, vfs: vfs)
            var examination = Examination(connection, DoctorReport(path: path))
            _ = try examination.isUsable()
            return examination.report.findings.first { $0.severity == .damage }
        } catch let error as SQLiteError where !error.isOfTheDisk {
            return .damage("file", "\(error)")
        }
    }

    static func size(of path: String) -> Int64 {
        var facts = stat()
        return stat(path, &facts) == 0 ? Int64(facts.st_size) : 0
    }
}

extension DoctorFinding {
    static func damage(_ check: String, _ words: String) -> DoctorFinding {
        DoctorFinding(
            severity: .damage, check: check, words: words,
            advice: "Restart loopspool: it keeps the file aside and reads back what can be read")
    }

    static func warning(_ check: String, _ words: String, _ advice: String) -> DoctorFinding {
        DoctorFinding(severity: .warning, check: check, words: words, advice: advice)
    }
}
