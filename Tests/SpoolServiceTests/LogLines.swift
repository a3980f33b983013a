import Logging
import Synchronization

/// Every line of a daemon's log, with its fields.
final class LogLines: Sendable {
    private let text = Mutex("")

    /// What was logged so far.
    var all: String { text.withLock { $0 } }

    /// A logger that logs here, whatever the level.
    var logger: Logger { Logger(label: "test") { _ in Handler(lines: self) } }

    private func add(_ line: String) { text.withLock { $0 += line + "\n" } }

    private struct Handler: LogHandler {
        let lines: LogLines
        var logLevel = Logger.Level.trace
        var metadata: Logger.Metadata = [:]

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            lines.add("\(event.level) \(event.message) \(event.metadata ?? [:])")
        }
    }
}
