internal import Glibc
internal import SpoolCore
internal import SpoolSQLite

/// Examines a spool's file: beside the daemon that has it open, or while nobody has.
///
/// It changes nothing in the files, and never checkpoints. Each question is one statement, so that beside a running daemon
/// each answer is true of one moment; the longest, of the pages, keeps the log from beginning anew meanwhile.
public enum SpoolDoctor {
    /// Examines the spool in a directory. Where it finds damage it leaves a mark beside the file, so that the
    /// next opening reads all of it; see ``DoctorMark``.
    ///
    /// - Throws: ``DoctorError`` when there is no spool or it cannot be read,
    ///   `DurableFileError` for a file that is newer or another program's, or what the disk refused.
    public static func examine(directory: String) throws -> DoctorReport {
        let path = directory + "/spool.db"
        var facts = stat()
        if stat(path, &facts) == 0, facts.st_mode & S_IFMT != S_IFREG {
            let kind = facts.st_mode & S_IFMT == S_IFDIR ? "a directory" : "no file of data"
            throw DoctorError(
                words: "Cannot examine \(path): it is \(kind). Name the spool's --state-dir.")
        }
        guard access(path, R_OK) == 0 || LogMatch(path: path, vfs: nil) == .orphaned else {
            let code = errno
            throw code == ENOENT || code == ENOTDIR
                ? DoctorError(words: "There is no spool in \(directory). Name its --state-dir.")
                : DoctorError(
                    words: "Cannot read \(path): \(String(cString: strerror(code))). "
                        + "Run this as the user of the spool.")
        }
        let isLogThere = exists(path + "-wal") || exists(path + "-shm")
        defer { if !isLogThere { removeEmptyLog(of: path) } }
        var report = try examine(path: path) { sleep(1) }
        let mark = DoctorMark(beside: path)
        if report.isDamaged, !mark.leave() {
            report.findings = report.findings.map { $0.afterCreating(mark.path) }
        }
        return report
    }

    private static func exists(_ path: String) -> Bool { access(path, F_OK) == 0 }

    /// Removes the empty log that reading the file has made beside it. A connection that may write does so
    /// as its last act, unless another has the file open by now (sqlite.org/wal.html, section 4).
    private static func removeEmptyLog(of path: String) {
        guard exists(path + "-wal"), size(of: path + "-wal") == 0 else { return }
        let connection = try? Connection(path: path, access: .readWrite)
        _ = try? connection?.integer("SELECT count(*) FROM sqlite_schema")
    }

    /// - Parameter pause: lets a daemon that has the file open take some steps; nobody does at a start.
    static func examine(
        path: String, vfs: String? = nil, pause: @escaping () -> Void = {}
    ) throws -> DoctorReport {
        if let finding = LogMatch(path: path, vfs: vfs).finding(on: path) {
            var report = DoctorReport(path: path)
            report.findings = [finding]
            report.logBytes = size(of: path + "-wal")
            return report
        }
        var report = DoctorReport(path: path)
        report.logBytes = size(of: path + "-wal")
        do {
            let connection = try Connection(path: path, access: .query, vfs: vfs)
            var examination = Examination(connection, report, pause: pause)
            defer { report = examination.report }
            if try examination.isUsable() { try examination.run() }
        } catch let error as SQLiteError where !error.isOfTheDisk {
            report.findings.insert(.damage("file", "\(error)"), at: 0)
        }
        return report
    }

    /// The first thing that is wrong with a file, without reading all of it; nil when there is none.
    static func glance(path: String, vfs: String? = nil) throws -> DoctorFinding? {
        if let finding = LogMatch(path: path, vfs: vfs).finding(on: path) { return finding }
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

/// Why a spool cannot be examined.
public struct DoctorError: Error, CustomStringConvertible {
    let words: String

    /// What is wrong, with what, and what to do now.
    public var description: String { words }
}

extension DoctorFinding {
    static func damage(_ check: String, _ words: String) -> DoctorFinding {
        DoctorFinding(
            severity: .damage, check: check, words: words,
            advice: "Restart loopspool: it keeps the file aside and reads back what can be read")
    }

    /// The finding for an operator who has to leave the doctor's mark himself.
    fileprivate func afterCreating(_ mark: String) -> DoctorFinding {
        guard severity == .damage else { return self }
        return DoctorFinding(
            severity: severity, check: check, words: words,
            advice: "Create the empty file \(mark), as this user may not. \(advice)")
    }

    static func warning(_ check: String, _ words: String, _ advice: String) -> DoctorFinding {
        DoctorFinding(severity: .warning, check: check, words: words, advice: advice)
    }
}
