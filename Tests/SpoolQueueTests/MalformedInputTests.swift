import SpoolCore
import SpoolSQLite
import Testing

@testable import SpoolQueue

@Suite("The ring of malformed input")
struct MalformedInputTests {
    private func kept(_ spool: TestSpool) throws -> [(reason: String, size: Int64, bytes: Int64)] {
        let rows = try spool.store.connection.prepare(
            "SELECT reason, size, length(input) FROM malformed ORDER BY id")
        var kept: [(reason: String, size: Int64, bytes: Int64)] = []
        while try rows.step() { kept.append((rows.text(0), rows.integer(1), rows.integer(2))) }
        return kept
    }

    private func counter(_ name: String, _ spool: TestSpool) throws -> Int64? {
        try spool.store.connection.integer("SELECT value FROM counter WHERE name = '\(name)'")
    }

    @Test("keeps what was cut off with its reason, and of a long one the beginning")
    func keeps() throws {
        let spool = try TestSpool()
        let long = [UInt8](repeating: UInt8(ascii: "["), count: Limits.malformedBytesMax + 1)
        try spool.commit { store in
            try store.keepMalformed(Array(#"{"log":"#.utf8), reason: "cut off", source: "stream")
            try store.keepMalformed(long, reason: "too deep", source: "datagram")
        }
        let kept = try kept(spool)
        #expect(kept.map(\.reason) == ["cut off", "too deep"])
        #expect(kept.map(\.size) == [7, Int64(long.count)])
        #expect(kept.map(\.bytes) == [7, Int64(Limits.malformedBytesMax)])
        #expect(try counter("malformed", spool) == 2)
    }

    @Test("says that keys of model providers came, and does not keep them")
    func dropsKeys() throws {
        let spool = try TestSpool()
        let input = Array(#"{"log":{"provider_api_keys":{"openai":"sk-secret"}"#.utf8)
        try spool.commit { try $0.keepMalformed(input, reason: "cut off", source: "stream") }
        let kept = try kept(spool)
        #expect(kept.map(\.reason) == ["cut off (not kept: it has provider_api_keys)"])
        #expect(kept.map(\.bytes) == [0])
        #expect(try counter("malformed", spool) == 1)
    }

    @Test("overwrites the oldest when it is full, and counts that")
    func overwrites() throws {
        let spool = try TestSpool()
        let count = Limits.malformedRingBytesMax / Limits.malformedBytesMax + 3
        let input = [UInt8](repeating: UInt8(ascii: "["), count: Limits.malformedBytesMax)
        try spool.commit { store in
            for number in 0..<count {
                try store.keepMalformed(input, reason: "\(number)", source: "stream")
            }
        }
        let kept = try kept(spool)
        #expect(kept.first?.reason == "3")
        #expect(kept.reduce(0) { $0 + $1.bytes } == Int64(Limits.malformedRingBytesMax))
        #expect(try counter("malformed_overwritten", spool) == 3)
    }
}
