import SpoolServer
import Synchronization

/// A list on its way: first found, then written, one step at a time on the reader's thread.
final class LogWalk: Sendable {
    private struct Progress {
        var search: LogSearch
        /// Set once the logs are found.
        var page: LogPage?
    }

    private let query: LogQuery
    private let settings: ArchiveSettings
    /// Never waited for: the steps follow each other.
    private let progress: Mutex<Progress>

    /// A list that has not begun.
    init(_ query: LogQuery, settings: ArchiveSettings) {
        self.query = query
        self.settings = settings
        progress = Mutex(Progress(search: LogSearch(query, settings: settings)))
    }

    /// Goes on; nil while there is more to do.
    func step(_ reader: ArchiveReader) throws -> HTTPAnswer? {
        try progress.withLock { progress in
            if progress.page != nil { return try progress.page?.step(reader) }
            switch try progress.search.step(reader) {
            case .success(let outcome):
                progress.page = LogPage(query, outcome, settings: settings)
                return nil
            case .failure(let refusal): return HTTPAnswer(refusal)
            case nil: return nil
            }
        }
    }
}
