import Foundation
import SpoolCore
import SpoolTestKit
import Testing

@Suite struct AdmissionDateTimeTests {
    private let door = AdmissionDoor()

    @Test(arguments: [
        ("1970-01-01T00:00:00Z", 0, true),
        ("2024-05-01T12:30:15.123456+00:00", 1_714_566_615_123, true),
        ("2024-05-01T12:30:15.123Z", 1_714_566_615_123, true),
        ("2024-05-01T12:30:15.1Z", 1_714_566_615_100, true),
        ("2024-05-01T12:30:15.123999999Z", 1_714_566_615_123, true),
        ("2024-05-01t12:30:15z", 1_714_566_615_000, true),
        ("2024-05-01 12:30:15", 1_714_566_615_000, false),
        ("2024-05-01T00:00:00", 1_714_521_600_000, false),
        ("2024-05-01", 1_714_521_600_000, false),
        ("2024-05-01T12:30", 1_714_566_600_000, false),
        ("2024-05-01T12:30Z", 1_714_566_600_000, true),
        ("2024-05-01T12:30+02", 1_714_559_400_000, true),
        ("2024-05-01T12:30:15+0530", 1_714_546_815_000, true),
        ("2024-05-01T12:30:15-05:30", 1_714_586_415_000, true),
        ("2024-02-29T23:18:60.99903+10", 1_709_212_740_999, true),
        ("2024-02-29", 1_709_164_800_000, false), ("2000-02-29", 951_782_400_000, false),
        ("1969-12-31T23:59:59.999Z", -1, true),
        ("0001-01-01T00:00:00Z", -62_135_596_800_000, true),
        ("9999-12-31T23:59:59.999Z", 253_402_300_799_999, true),
        ("2016-12-31T23:59:60Z", 1_483_228_800_000, true),
    ])
    func `a date-time in any documented form is read`(
        text: String, milliseconds: Int64, hasOffset: Bool
    ) throws {
        let read = try #require(DateTime(text))
        #expect(read.time.milliseconds == milliseconds)
        #expect(read.hasOffset == hasOffset)
        #expect(throws: Never.self) { try door.accept(.log, "{\"created_at\":\"\(text)\"}") }
    }

    @Test(arguments: [
        "", "now", "1714566615", "2024", "2024-05", "2024-5-1", "24-05-01", "2024-13-01",
        "2024-00-01", "2024-01-00", "2024-04-31", "2023-02-29", "1900-02-29", "2024-05-01T",
        "2024-05-01T12", "2024-05-01T24:00", "2024-05-01T12:60", "2024-05-01T12:30:61",
        "2024-05-01T12:30:15.", "2024-05-01T12:30:15.Z", "2024-05-01T12:30:15,5Z",
        "2024-05-01T12:30:15+", "2024-05-01T12:30:15+2", "2024-05-01T12:30:15+02:",
        "2024-05-01T12:30:15+24:00", "2024-05-01T12:30:15+02:60", "2024-05-01T12:30:15ZZ",
        "2024-05-01T12:30:15Z ", " 2024-05-01", "2024-05-01Z", "2024-05-01+02:00",
        "+2024-05-01", "2024/05/01", "20240501T123015Z", "2024-05-01T12:3é", "٢٠٢٤-05-01",
    ])
    func `anything else is no date-time and refused`(text: String) throws {
        #expect(DateTime(text) == nil)
        let body = "{\"created_at\":\"\(text)\"}"
        #expect(try door.mistakes(.log, body) == ["body.created_at: datetime_parsing"])
        let feedback = "{\"type\":\"t\",\"created_at\":\"\(text)\"}"
        #expect(try door.mistakes(.feedback, feedback) == ["body.created_at: datetime_parsing"])
    }

    @Test func `a stamp is RFC 3339 with an offset, and Foundation reads the same time`() throws {
        var random = SeededRandom(seed: 20)
        let formatter = ISO8601DateFormatter()
        formatter.formatOptions = [.withInternetDateTime, .withFractionalSeconds]
        for _ in 0..<2000 {
            let time = Timestamp(
                milliseconds: .random(in: -2_000_000_000_000...253_402_300_799_999, using: &random))
            let text = DateTime.text(time)
            #expect(text.utf8.count == 29)
            #expect(text.hasSuffix("+00:00"))
            let date = try #require(formatter.date(from: text))
            #expect((date.timeIntervalSince1970 * 1000).rounded() == Double(time.milliseconds))
            #expect(DateTime(text) == DateTime(text.replacing("+00:00", with: "Z")))
            #expect(DateTime(text)?.time == time)
        }
    }

    @Test func `times at the edges of what the format can say`() {
        #expect(
            DateTime.text(Timestamp(milliseconds: 1_767_323_045_678))
                == "2026-01-02T03:04:05.678+00:00")
        #expect(DateTime.text(Timestamp(milliseconds: -1)) == "1969-12-31T23:59:59.999+00:00")
        #expect(
            DateTime.text(Timestamp(milliseconds: .min)) == "0000-01-01T00:00:00.000+00:00")
        #expect(
            DateTime.text(Timestamp(milliseconds: .max)) == "9999-12-31T23:59:59.999+00:00")
    }

    @Test func `minted references sort as they were minted and all differ`() {
        var written: [String] = []
        for time: Int64 in [0, 1, 999, 1_767_323_045_678, 1_767_323_045_679, 253_402_300_799_999] {
            for tail: UInt64 in [0, 1, 61, 62, 1 << 40, .max] {
                var bytes: [UInt8] = []
                MintedReference(at: Timestamp(milliseconds: time), tail: tail).append(to: &bytes)
                #expect(bytes.count == MintedReference.length)
                written.append(String(decoding: bytes, as: UTF8.self))
            }
        }
        #expect(written.map { Array($0.utf8) }.isSorted)
        #expect(Set(written).count == written.count)
        #expect(written.allSatisfy { $0.hasPrefix("ls_") })
    }
}

extension [[UInt8]] {
    /// Whether each element comes before the next, byte by byte.
    fileprivate var isSorted: Bool {
        zip(self, dropFirst()).allSatisfy { $0.lexicographicallyPrecedes($1) }
    }
}
