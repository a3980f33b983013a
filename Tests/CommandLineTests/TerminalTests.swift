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

    @Test func `a status report shows what a parked part holds, and what upstream said`() throws {
        let parked = """
            {"operation":"POST /logs","project":"pay","advice":"mend it","events":3,"status":402,\
            "upstream_said":"no credit left for pay","next_try_seconds":1.5}
            """
        let text = StatusText(try json(#"{"upstream":{"parked":[\#(parked)]}}"#)).description
        #expect(
            text.contains(
                """
                  parked: POST /logs of pay: mend it; holds 3 of the queued; next try in 1.5 s
                    it said: 402 no credit left for pay
                """))
    }

    @Test func `a status report tells when the next question goes, and how the last one failed`()
        throws
    {
        let upstream = """
            {"asking_by_reference":"ask","batches_in_doubt":2,"next_question_seconds":4.5,\
            "last_failed_question":{"seconds_ago":3.2,"status":500,"upstream_said":"oops"}}
            """
        let text = StatusText(try json(#"{"upstream":\#(upstream)}"#)).description
        #expect(text.contains("is asked of upstream; next question in 4.5 s\n"))
        #expect(text.contains("  the last question that failed, 3 s ago: 500 oops"))
    }

    @Test func `a status report does not say that what is sent again is asked about`() throws {
        let upstream = #"{"asking_by_reference":"resend","batches_in_doubt":2}"#
        let text = StatusText(try json(#"{"upstream":\#(upstream)}"#)).description
        #expect(text.contains("  batches in doubt: 2; they are sent again, counted"))
        #expect(!text.contains("is asked of upstream"))
    }

    @Test func `a status report balances, and tells what is counted beside the ledger`() throws {
        func lines(_ more: String) throws -> [String] {
            let ledger =
                #"{"accepted":10,"queued":1,"in_flight":0,"delivered":2,"dead":3,\#(more)}"#
            return StatusText(try json(#"{"ledger":\#(ledger)}"#)).description
                .split(separator: "\n").map(String.init)
        }
        let none = try lines(#""discarded":{}},"malformed":0,"possible_duplicates":{"#)
        #expect(!none.contains { $0.contains("discarded") || $0.contains("malformed") })
        let some = try lines(
            #""discarded":{"max_age":3,"operator":1}},"possible_duplicates":{"log":2,"feedback":1},"#
                + #""deduplicated":4,"malformed":5,"disk_refusals":6,"x":{"#)
        #expect(some.contains("  discarded   4 (max_age 3, operator 1)"))
        #expect(some.contains("  3 sent again, perhaps twice upstream (log 2, feedback 1)"))
        for count in 4...6 { #expect(some.contains { $0.hasPrefix("  \(count) ") }) }
    }

    @Test(arguments: [("refuse", "callers get 503"), ("drop_oldest", "make way")])
    func `a status report says what is done at a full spool`(policy: String, words: String) throws {
        let limits = #"{"spool_bytes":99,"spool_bytes_max":100,"on_full":"\#(policy)"}"#
        #expect(StatusText(try json(#"{"limits":\#(limits)}"#)).description.contains(words))
    }

    @Test func `a status report tells whether upstream's trouble was an answer`() throws {
        func line(_ status: String) throws -> Substring? {
            let trouble = #"{"words":"no route","seconds_ago":3\#(status)}"#
            return StatusText(try json(#"{"upstream":{"last_trouble":\#(trouble)}}"#)).description
                .split(separator: "\n").last
        }
        #expect(try line("") == "  3 s ago: no route")
        #expect(try line(#","status":500"#) == "  3 s ago it answered: 500 no route")
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
