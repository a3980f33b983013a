import Glibc
import SpoolCore

/// Cuts what a stream brings into lines: those that arrive whole are looked at where they lie, only
/// the beginning of a line whose end is still to come is copied.
struct EventStreamLines {
    /// A line, without its newline.
    enum Line {
        /// Valid only during the call it is given to.
        case whole(UnsafeRawBufferPointer)
        /// A line that could not be held: its beginning and why.
        case abandoned(beginning: [UInt8], reason: String)
    }

    private enum State {
        /// The line's beginning is kept.
        case keeping
        /// Too long: what comes up to the newline is thrown away.
        case skipping(reason: String)
    }

    private var state = State.keeping
    private var beginning: [UInt8] = []
    private let lineBytesMax: Int

    /// Cuts lines of up to `lineBytesMax` bytes, of longer ones keeps the beginning.
    init(lineBytesMax: Int = Limits.bodyBytesMax) {
        self.lineBytesMax = lineBytesMax
    }

    /// Bytes kept of a line that has begun.
    var heldBytes: Int { beginning.count }

    /// Gives each line that `bytes` completes to `body`, in order.
    mutating func read(_ bytes: UnsafeRawBufferPointer, _ body: (Line) -> Void) {
        var rest = bytes[...]
        while let newline = Self.newline(in: rest) {
            let end = UnsafeRawBufferPointer(rebasing: rest[..<newline])
            rest = rest[(newline + 1)...]
            complete(with: end, body)
        }
        if !rest.isEmpty { keep(UnsafeRawBufferPointer(rebasing: rest)) }
    }

    /// Gives a last line that has no newline to `body`.
    mutating func finish(_ body: (Line) -> Void) {
        if case .keeping = state, beginning.isEmpty { return }
        complete(with: UnsafeRawBufferPointer(start: nil, count: 0), body)
    }

    /// Lets go of a line that has begun and reports it as abandoned when it ends.
    mutating func abandon(_ reason: String) {
        guard case .keeping = state else { return }
        state = .skipping(reason: reason)
        beginning = Array(beginning.prefix(Limits.malformedBytesMax))
    }

    private mutating func complete(with end: UnsafeRawBufferPointer, _ body: (Line) -> Void) {
        if case .keeping = state, beginning.isEmpty, end.count <= lineBytesMax {
            return body(.whole(end))
        }
        keep(end)
        switch state {
        case .keeping: beginning.withUnsafeBytes { body(.whole($0)) }
        case .skipping(let reason): body(.abandoned(beginning: beginning, reason: reason))
        }
        state = .keeping
        // One long line must not hold its memory for the rest of the stream's life.
        beginning.removeAll(keepingCapacity: beginning.capacity <= Limits.malformedBytesMax)
    }

    private mutating func keep(_ bytes: UnsafeRawBufferPointer) {
        switch state {
        case .keeping where beginning.count + bytes.count <= lineBytesMax:
            beginning.append(contentsOf: bytes)
        case .keeping:
            let room = Swift.max(0, Limits.malformedBytesMax - beginning.count)
            beginning.append(contentsOf: bytes.prefix(room))
            abandon("the line has more than \(lineBytesMax) bytes; split it into several events")
        case .skipping:
            break
        }
    }

    private static func newline(in bytes: Slice<UnsafeRawBufferPointer>) -> Int? {
        guard !bytes.isEmpty, let base = bytes.base.baseAddress else { return nil }
        let start = base + bytes.startIndex
        return memchr(start, Int32(UInt8(ascii: "\n")), bytes.count).map {
            UnsafeRawPointer($0) - base
        }
    }
}
