import SpoolCore
import SpoolServer

/// Writes the answer of a list, some logs at a step.
struct LogPage: Sendable {
    private let query: LogQuery
    private let settings: ArchiveSettings
    private let outcome: LogSearch.Outcome
    private var next = 0
    private var written = 0
    private var writer = JSONWriter()

    /// A page of which nothing is written.
    init(_ query: LogQuery, _ outcome: LogSearch.Outcome, settings: ArchiveSettings) {
        self.query = query
        self.outcome = outcome
        self.settings = settings
        writer.beginObject()
        writer.key("records")
        writer.beginArray()
    }

    /// Goes on for some logs; nil while there are more. A log that was removed since it was found
    /// is left out.
    mutating func step(_ reader: ArchiveReader) throws -> HTTPAnswer? {
        let start = writer.bytes.count
        while next < outcome.numbers.count {
            guard writer.bytes.count - start <= settings.stepBytesMax else { return nil }
            let log = try reader.storedLog(outcome.numbers[next])
            next += 1
            guard let log else { continue }
            do {
                try writer.log(log)
            } catch {
                return .damaged(error)
            }
            written += 1
            // One log is always given, however large.
            guard written == 1 || writer.bytes.count <= settings.pageBytesMax else {
                return HTTPAnswer(status: 422, body: Mistakes.pageTooLarge(settings).body)
            }
        }
        writer.endArray()
        writer.endPage(query.page, query.size, total: outcome.total)
        return HTTPAnswer(status: 200, body: writer.bytes)
    }
}

extension Mistakes {
    /// The mistake of asking for a page that would fill the memory.
    static func pageTooLarge(_ settings: ArchiveSettings) -> Mistakes {
        var mistakes = Mistakes()
        mistakes.add(
            [.name("query"), .name("size")], .value,
            "the records of this page hold more than \(settings.pageBytesMax) bytes; "
                + "ask for a smaller size")
        return mistakes
    }
}
