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
        #expect(kept.first?.reason == "4")
        #expect(kept.count == count - 4)
        #expect(try counter("malformed_overwritten", spool) == 4)
        #expect(spool.store.malformedCount == kept.count)
    }

    /// What the ring costs, as the file has it.
    private func bytes(_ spool: TestSpool) throws -> Int64 {
        let rows = try kept(spool)
        return rows.reduce(0) { $0 + $1.bytes + Int64($1.reason.utf8.count) + 200 }
    }

    @Test("keeps to its bound over restarts, and takes the oldest away from a ring beyond it")
    func restarts() throws {
        let spool = try TestSpool()
        let input = [UInt8](repeating: UInt8(ascii: "["), count: Limits.malformedBytesMax)
        func fill(_ name: String) throws {
            try spool.commit { store in
                for _ in 0..<150 { try store.keepMalformed(input, reason: name, source: "stream") }
            }
        }
        for start in 0..<3 {
            try fill("\(start)")
            #expect(try bytes(spool) <= Int64(Limits.malformedRingBytesMax))
            #expect(try bytes(spool) == spool.store.malformedBytes)
            try spool.crash()
        }
        #expect(spool.store.malformedCount == 255)
        // One that an earlier version let grow.
        try spool.store.connection.execute(
            "INSERT INTO malformed SELECT id + 1000, kept_at, source, reason, size, input FROM malformed"
        )
        try spool.crash()
        try spool.commit { try $0.keepMalformed(input, reason: "last", source: "stream") }
        #expect(try bytes(spool) <= Int64(Limits.malformedRingBytesMax))
        #expect(try kept(spool).last?.reason == "last")
    }

    @Test("is bounded for lines of which only the reason is kept, too")
    func reasonsOnly() throws {
        let spool = try TestSpool()
        let input = Array(#"{"log":{"provider_api_keys":1}"#.utf8)
        let reason = String(repeating: "é", count: 50_000)
        try spool.commit { store in
            for _ in 0..<180 {
                try store.keepMalformed(input, reason: reason, source: "stream")
            }
        }
        #expect(try bytes(spool) <= Int64(Limits.malformedRingBytesMax))
        #expect(try bytes(spool) == spool.store.malformedBytes)
        #expect(try counter("malformed", spool) == 180)
    }

    @Test("keeps nothing below the reserve of free disk, and counts")
    func lowDisk() throws {
        var settings = QueueSettings(freeDiskBytesMin: 100)
        settings.freeDiskBytes = { 99 }
        let spool = try TestSpool(settings: settings)
        try spool.commit { try $0.keepMalformed([0x5b], reason: "cut off", source: "stream") }
        #expect(try kept(spool).isEmpty)
        #expect(try counter("malformed", spool) == 1)
    }
}
