import SpoolCore
import Testing

/// 1994-11-06T08:49:37Z, the example of RFC 9110, section 5.6.7.
private let example = Timestamp(milliseconds: 784_111_777_000)

@Suite struct `Retry-After` {
    @Test(
        arguments: [
            ("0", 0), ("1", 1), ("120", 120), (" 120\t", 120), ("3600", 3600), ("3601", 3600),
            ("99999999999999999999999", 3600), ("007", 7),
        ] as [(String, Int64)])
    func `seconds are taken as they are, up to an hour`(field: String, seconds: Int64) {
        #expect(RetryAfter.delay(field, now: example) == .seconds(seconds))
    }

    @Test(arguments: [
        "Sun, 06 Nov 1994 08:49:37 GMT", "Sunday, 06-Nov-94 08:49:37 GMT",
        "Sun Nov  6 08:49:37 1994",
    ])
    func `all three forms of a date name the same instant`(field: String) {
        let before = Timestamp(milliseconds: example.milliseconds - 90_000)
        #expect(RetryAfter.delay(field, now: before) == .seconds(90))
        let after = Timestamp(milliseconds: example.milliseconds + 90_000)
        #expect(RetryAfter.delay(field, now: after) == .zero)
        let longBefore = Timestamp(milliseconds: example.milliseconds - 86_400_000)
        #expect(RetryAfter.delay(field, now: longBefore) == Limits.retryAfterMax)
    }

    @Test func `a two-digit year more than fifty years ahead is in the past`() {
        // 2026-11-22: 76 is 50 years ahead, 77 is 1977.
        let now = Timestamp(milliseconds: 1_795_305_600_000)
        #expect(
            RetryAfter.delay("Sunday, 22-Nov-76 00:00:00 GMT", now: now) == Limits.retryAfterMax)
        #expect(RetryAfter.delay("Monday, 22-Nov-77 00:00:00 GMT", now: now) == .zero)
    }

    @Test(arguments: [
        nil, "", " ", "soon", "-1", "+5", "1.5", "0x10", "1e3", "12 s", "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET", "Sun, 31 Feb 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:49:37 GMT", "Sun, 06 Nov 1994 08:60:37 GMT",
        "Sun, 06 nov 1994 08:49:37 GMT", "Sun, 06 Nov 94 08:49:37 GMT",
        "Sunday, 06-Nov-1994 08:49:37 GMT", "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, -6 Nov 1994 08:49:37 GMT", "1994-11-06T08:49:37Z", "Sunday, 06-Nov--4 08:49:37 GMT",
    ])
    func `what cannot be understood asks for nothing`(field: String?) {
        #expect(RetryAfter.delay(field, now: example) == nil)
    }
}
