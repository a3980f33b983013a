import SpoolTestKit
import Testing

@testable import SpoolService

@Suite("What the log is told of upstream's troubles")
struct TroubleWatchTests {
    private let start = ContinuousClock.now

    private func trouble(_ why: String, project: String? = nil) -> TroubleWatch.Trouble {
        .init(why: why, fields: project.map { ["project": $0] } ?? [:])
    }

    @Test("is one line when it begins, none while it lasts, and one when it is over")
    func once() {
        var watch = TroubleWatch()
        let refused = ["lane 1": trouble("notAllowed", project: "pay")]
        #expect(
            watch.look(at: refused, now: start)
                == [.init(isOver: false, fields: ["why": "notAllowed", "project": "pay"])])
        for second in 1...90 {
            #expect(watch.look(at: refused, now: start + .seconds(second)).isEmpty)
        }
        #expect(
            watch.look(at: [:], now: start + .seconds(91))
                == [.init(isOver: true, fields: ["after_seconds": "91", "project": "pay"])])
        #expect(watch.look(at: [:], now: start + .seconds(92)).isEmpty)
    }

    @Test("comes at most once a minute where it comes and goes, and its end only where it was told")
    func rate() {
        var watch = TroubleWatch()
        var lines: [TroubleWatch.Line] = []
        for second in 0..<120 {
            let isOn = second.isMultiple(of: 2)
            lines += watch.look(
                at: isOn ? ["destination": trouble("it fails")] : [:],
                now: start + .seconds(second))
        }
        #expect(lines.map(\.isOver) == [false, true, false, true])
    }

    @Test("with another reason is news, and no end of the first")
    func changes() {
        var watch = TroubleWatch()
        _ = watch.look(at: ["destination": trouble("it fails")], now: start)
        let lines = watch.look(
            at: ["destination": trouble("unauthorized")], now: start + .seconds(5))
        #expect(lines == [.init(isOver: false, fields: ["why": "unauthorized"])])
        #expect(
            watch.look(at: [:], now: start + .seconds(9))
                == [.init(isOver: true, fields: ["after_seconds": "9"])])
    }

    @Test("of thousands of lanes is bounded")
    func bounded() {
        var watch = TroubleWatch()
        let lanes = (0..<5000).map { ("lane \($0)", trouble("notAllowed")) }
        let lines = watch.look(at: Dictionary(uniqueKeysWithValues: lanes), now: start)
        #expect(lines.count == TroubleWatch.openMax)
    }
}
