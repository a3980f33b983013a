internal import Glibc
internal import SpoolCore
import Synchronization

/// What waits to be written to the ring of malformed input: so much and no more, because whoever sends it
/// is told nothing and need not stop. The rest is only counted, as overwritten before it was written.
final class MalformedIntake: Sendable {
    private struct State {
        var items = 0
        var bytes = 0
        /// Items that are neither kept nor counted in the file.
        var dropped = 0
        /// Those of them that the transaction under way counts.
        var counting = 0
    }

    /// Items that may wait.
    static let itemsMax = 256
    /// Bytes that they may have, their reasons included.
    static let bytesMax = 1 << 20

    private let state = Mutex(State())

    /// Takes a place for an item of `bytes`; false when there is none and it was counted instead.
    func enter(_ bytes: Int) -> Bool {
        state.withLock { state in
            guard state.items < Self.itemsMax, state.bytes + bytes <= Self.bytesMax else {
                state.dropped += 1
                return false
            }
            state.items += 1
            state.bytes += bytes
            return true
        }
    }

    /// How many more the transaction under way has to count.
    func count() -> Int {
        state.withLock { state in
            defer { state.dropped = 0 }
            state.counting += state.dropped
            return state.dropped
        }
    }

    /// The transaction with an item of `bytes` is committed. Returns whether others were dropped meanwhile
    /// and no item is left that would have them counted.
    func committed(_ bytes: Int) -> Bool {
        state.withLock { state in
            state.items -= 1
            state.bytes -= bytes
            state.counting = 0
            return state.items == 0 && state.dropped > 0
        }
    }

    /// The transaction with an item of `bytes` is not committed: it is dropped, with `items` 0 a mere count.
    func refused(_ bytes: Int, items: Int) {
        state.withLock { state in
            state.items -= 1
            state.bytes -= bytes
            state.dropped += state.counting + items
            state.counting = 0
        }
    }
}

extension [UInt8] {
    /// Whether `part`, which is not empty, stands somewhere in these bytes. The library's generic search
    /// takes 50 ns a byte.
    func holds(_ part: [UInt8]) -> Bool {
        withUnsafeBytes { bytes in
            var rest = bytes[...]
            while rest.count >= part.count {
                let start = UnsafeRawBufferPointer(rebasing: rest)
                guard let first = memchr(start.baseAddress!, Int32(part[0]), start.count) else {
                    return false
                }
                let place = UnsafeRawPointer(first) - start.baseAddress!
                if start[place...].starts(with: part) { return true }
                rest = rest[(rest.startIndex + place + 1)...]
            }
            return false
        }
    }
}

extension Submission {
    /// Bytes that it is taken to write.
    var cost: Int { bytes.count + events.count * Int(Limits.eventOverheadBytes) }
}
