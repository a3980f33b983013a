import Testing

@testable import SpoolArchive

/// What people write after `--faults`.
struct FaultGrammarTests {
    @Test(
        "a fault is written as it was read",
        arguments: [
            "status=500", "status=500:10%", "status=503:0.05%:retry-after=2s", "delay=50ms",
            "delay=2s:25.5%:after", "reset", "reset:5%:after", "cut:1%", "outage=10s/60s",
            "capacity=4:retry-after=1s", "body-max=65536:path=/logs",
            "status=422:after:method=POST:path=/evaluations/e1:body=\"project\"",
        ])
    func roundTrip(text: String) throws {
        #expect(try Fault.list(text).map(\.description) == [text])
    }

    @Test func `faults stand between commas or line breaks, with any space around them`() throws {
        let faults = try Fault.list(" status=500 : 10% ,, reset:after\n\ncut\n")
        #expect(faults.map(\.description) == ["status=500:10%", "reset:after", "cut"])
        #expect(try Fault.list(" \n").isEmpty)
    }

    @Test func `what can be written in two ways means the same`() throws {
        for (one, other) in [
            ("delay=2000ms", "delay=2s"), ("outage=30s/2m", "outage=30s/120s"),
            ("reset:100%", "reset"), ("reset:method=post", "reset:method=POST"),
            ("reset:path=/v4//logs/", "reset:path=/logs"),
        ] {
            #expect(try Fault.list(one) == Fault.list(other), "\(one) and \(other)")
        }
        #expect(try Fault.list("reset:1.5%")[0].share == 15_000)
        #expect(try Fault.list("reset:0.0001%")[0].share == 1)
    }

    @Test(
        "a mistake names the fault, the part, and what would be right",
        arguments: [
            ("boom", "boom", "begins with status=500"),
            ("status", "status", "begins with"),
            ("status=99", "status=99", "200 to 599"),
            ("status=600", "status=600", "200 to 599"),
            ("status=-5", "status=-5", "200 to 599"),
            ("reset=before", "reset=before", "begins with"),
            ("delay=50", "50", "50ms, 10s or 2m"),
            ("delay=2000m", "2000m", "at most a day"),
            ("delay=99999999999999999999s", "99999999999999999999s", "at most a day"),
            ("delay=-1s", "-1s", "50ms"),
            ("outage=10s", "10s", "10s/60s"),
            ("outage=60s/10s", "60s/10s", "no longer than"),
            ("outage=0s/10s", "0s/10s", "lasts some time"),
            ("outage=5s/60s:10%", "outage=5s/60s:10%", "no share"),
            ("capacity=0", "capacity=0", "1 to 100000"),
            ("capacity=4:after", "capacity=4:after", "nothing is handled first"),
            ("body-max=1k", "body-max=1k", "number of bytes"),
            ("status=500:0%", "0%", "0.0001% to 100%"),
            ("status=500:10%:20%", "20%", "once"),
            ("reset:method=GET:method=PUT", "method=PUT", "once"),
            ("status=503:retry-after=1500ms", "retry-after=1500ms", "whole seconds"),
            ("status=500:101%", "101%", "0.0001% to 100%"),
            ("status=500:100.5%", "100.5%", "0.0001% to 100%"),
            ("status=500:1.2.3%", "1.2.3%", "0.0001% to 100%"),
            ("status=500:1.%", "1.%", "0.0001% to 100%"),
            ("status=500:0.00001%", "0.00001%", "0.0001% to 100%"),
            ("status=500:%", "%", "0.0001% to 100%"),
            ("status=500:10", "10", "a share like 10%"),
            ("status=500:", "", "a share like 10%"),
            ("status=500:path=logs", "path=logs", "path=/logs"),
            ("status=500:before", "before", "after"),
            ("status=503:retry-after=500ms", "retry-after=500ms", "1s to 86400s"),
            ("reset:retry-after=1s", "reset:retry-after=1s", "it answers nothing"),
        ])
    func mistakes(text: String, part: String, right: String) {
        let mistake = #expect(throws: FaultMistake.self) { try Fault.list("cut," + text) }
        #expect(mistake?.fault == text)
        #expect(mistake?.part == part)
        #expect(mistake?.description.contains(right) == true)
    }
}
