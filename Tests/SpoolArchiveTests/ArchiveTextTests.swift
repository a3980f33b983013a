import Foundation
import SpoolCore
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// The small pure parts: times, ids, queries, routes.
struct ArchiveTextTests {
    @Test(arguments: [
        "2024-05-01T12:30:15.123Z", "2024-05-01T12:30:15.123456+00:00", "2024-05-01T00:00:00",
        "2024-05-01", "2024-02-29T23:59:60-1130", "2024-05-01t12:30z", "2024-05-01 12:30:15",
        "0001-01-01T00:00:00Z", "2000-02-29",
    ])
    func `a date-time as the documents have it is one`(text: String) {
        #expect(DateTimeText.isDateTime(text))
    }

    @Test(arguments: [
        "", "now", "2024", "2024-5-1", "2024-13-01", "2023-02-29", "1900-02-29", "2024-04-31",
        "2024-05-01T", "2024-05-01T25:00", "2024-05-01T12:60", "2024-05-01T12:30:61",
        "2024-05-01T12:30:15.", "2024-05-01T12:30:15+24:00", "2024-05-01T12:30:15Zx",
        "2024-05-01T12:30:15 +00:00", "1714566615", "２024-05-01", "2024-05-01Z",
    ])
    func `anything else is not`(text: String) {
        #expect(!DateTimeText.isDateTime(text))
    }

    @Test(arguments: [
        ("1970-01-01", 0), ("1970-01-01T00:00:00.001", 1), ("1970-01-01T00:00:00.0019Z", 1),
        ("1970-01-01T00:00:00.1Z", 100), ("1970-01-01T00:00:00.12+00:00", 120),
        ("1970-01-01T01:30:00+01:30", 0), ("1969-12-31T22:30:00-0130", 0),
        ("1969-12-31T23:59:59.999Z", -1), ("2000-02-29T00:00Z", 951_782_400_000),
        ("2024-05-01 12:30:15", 1_714_566_615_000), ("2016-12-31T23:59:60Z", 1_483_228_800_000),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000), ("9999-12-31", 253_402_214_400_000),
    ])
    func `a date-time is read to the millisecond, without offset as UTC`(
        text: String, milliseconds: Int64
    ) {
        #expect(DateTimeText.time(text) == Timestamp(milliseconds: milliseconds))
    }

    @Test func `what is written is read again`() {
        var random = SeededRandom(seed: 5)
        for _ in 0..<2000 {
            let time = Timestamp(
                milliseconds: Int64.random(
                    in: -62_135_596_800_000...253_402_300_799_999, using: &random))
            #expect(DateTimeText.time(DateTimeText.text(time)) == time)
        }
    }

    @Test func `times are written as Foundation writes them`() {
        let format = Date.ISO8601FormatStyle(includingFractionalSeconds: true)
        var random = SeededRandom(seed: 3)
        // Foundation counts in the Julian calendar before October 1582.
        let first: Int64 = -12_212_553_600_000
        var samples: [Int64] = [0, -1, 951_782_400_000, 1_709_164_800_000, first]
        samples += (0..<2000).map { _ in
            Int64.random(in: first...253_402_300_799_999, using: &random)
        }
        for sample in samples {
            let text = DateTimeText.text(Timestamp(milliseconds: sample))
            #expect(DateTimeText.isDateTime(text))
            // Whole seconds, because Date holds binary fractions.
            let date = Date(
                timeIntervalSince1970: Double((sample - (sample % 1000 + 1000) % 1000) / 1000))
            let expected = date.formatted(format).prefix(19)
            #expect(text.prefix(19) == expected, "\(sample)")
            #expect(text.hasSuffix("+00:00"))
        }
    }

    @Test func `ids use all characters and never repeat`() {
        var random = SeededRandom(seed: 1)
        var seen: Set<String> = []
        var characters: Set<Character> = []
        for _ in 0..<1000 {
            let id = ArchiveID.mint(.log, using: &random)
            #expect(id.hasPrefix("data_"))
            #expect(id.count == 26)
            seen.insert(id)
            characters.formUnion(id.dropFirst(5))
        }
        #expect(seen.count == 1000)
        #expect(characters.count == 62)
    }

    @Test(arguments: [
        ("a=1", "a", "1"), ("a=1&a=2", "a", "2"), ("b=1&a", "a", ""), ("a=x%20y+z", "a", "x y z"),
        ("a=%2", "a", "%2"), ("a=%zz%41", "a", "%zzA"), ("a=%F0%9F%98%80", "a", "😀"),
        ("a=%FF", "a", "\u{FFFD}"), ("%61=b%3D=c", "a", "b==c"), ("&&a=1&", "a", "1"),
    ])
    func `queries are decoded as forms are`(query: String, name: String, value: String) {
        #expect(ArchiveQuery(query)[name] == value)
    }

    @Test func `a query without the key has no value`() {
        #expect(ArchiveQuery(nil)["a"] == nil)
        #expect(ArchiveQuery("b=1")["a"] == nil)
    }

    @Test func `an id in a path is decoded, and its plus stays`() throws {
        guard case .found(let route) = ArchiveRoute.find(method: "GET", path: "/logs/a%2Fb+c")
        else { return #expect(Bool(false), "not found") }
        #expect(route.id == "a/b+c")
    }
}
