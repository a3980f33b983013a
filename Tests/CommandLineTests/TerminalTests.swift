import SpoolCore
import Testing

@testable import loopspool

/// Apps name the projects and upstream chooses its words; the operator reads both on a terminal.
@Suite struct `What the operator reads` {
    private let words = #"\u001b[2J\u009b1m\r\nall is well"#

    private func json(_ text: String) throws -> JSONValue {
        try JSONValue(parsing: Array(text.utf8))
    }

    /// Whether a terminal shows all of it and does nothing else.
    private func isPlain(_ text: String) -> Bool {
        text.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control }
    }

    @Test func `a line about a dead letter is one line, and only shown`() throws {
        let letter = """
            {"id":"data_1","died_at":"2026-01-01T00:00:00Z","kind":"log","project":"\(words)",\
            "reason":"refused","status":422,"upstream_said":"\(words)"}
            """
        let line = DeadText.line(try json(letter))
        #expect(isPlain(line), "\(line.debugDescription)")
        #expect(line.contains(#"\u001b[2J\u009b1m\r\nall is well"#))
    }

    @Test func `a status report tells of batches in doubt and of an upstream that is not asked`()
        throws
    {
        func lines(_ asking: String, _ count: Int) throws -> [Substring] {
            let upstream = #""asking_by_reference":"\#(asking)","batches_in_doubt":\#(count)"#
            return StatusText(try json("{\"upstream\":{\(upstream)}}")).description
                .split(separator: "\n").filter { $0.contains("doubt") || $0.contains("asked") }
        }
        #expect(try lines("ask", 0).isEmpty)
        #expect(try lines("undecided", 0).isEmpty)
        #expect(
            try lines("ask", 2).map { $0.contains("doubt: 2") && !$0.contains("no such") } == [true]
        )
        #expect(try lines("undecided", 3).map { $0.contains("no such question") } == [true])
        #expect(try lines("resend", 0).map { $0.contains("sent again, counted") } == [true])
    }

    @Test func `a status report has the lines of its own making, only shown`() throws {
        func report(_ words: String) throws -> [Substring] {
            let status = """
                {"ledger":{"dead":1},"trouble":"\(words)","upstream":{"url":"\(words)",\
                "health":"\(words)","last_trouble":{"words":"\(words)","seconds_ago":1},\
                "parked":[{"operation":"\(words)","project":"\(words)","advice":"\(words)"}]},\
                "dead_letters":[{"id":"\(words)","reason":"\(words)","upstream_said":"\(words)"}]}
                """
            return StatusText(try json(status)).description
                .split(separator: "\n", omittingEmptySubsequences: false)
        }
        let lines = try report(words)
        #expect(lines.allSatisfy { isPlain(String($0)) }, "\(lines)")
        #expect(lines.count == (try report("x")).count)
    }
}
