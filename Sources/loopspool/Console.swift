import Glibc
import Logging
import SpoolCore

/// Where a command reads its surroundings and writes what people read.
enum Console {
    /// The process's environment.
    static var environment: [String: String] {
        var variables: [String: String] = [:]
        var entry = environ
        while let line = entry.pointee {
            let text = String(cString: line)
            if let equals = text.firstIndex(of: "=") {
                variables[String(text[..<equals])] = String(text[text.index(after: equals)...])
            }
            entry += 1
        }
        return variables
    }

    /// The daemon's log: one line a fact, on standard error.
    static func logger() -> Logger {
        Logger(label: "loopspool") { StreamLogHandler.standardError(label: $0) }
    }

    /// Writes a line to standard output, at once.
    static func say(_ text: String) {
        write(text, to: STDOUT_FILENO)
    }

    /// Writes what went wrong to standard error, line by line; no terminal obeys what it repeats.
    static func complain(_ text: String) {
        let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
        write(
            "loopspool: " + lines.map { String($0).printable }.joined(separator: "\n"),
            to: STDERR_FILENO)
    }

    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array((text + "\n").utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
