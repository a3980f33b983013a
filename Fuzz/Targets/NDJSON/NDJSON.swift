import FuzzKit
import SpoolCore
import SpoolTestKit

@testable import SpoolIngest

/// The lines of a stream are those between its newlines, however it was cut on the way, and each of
/// them is dealt with exactly once, in order, whenever the disk is ready.
@main
enum NDJSON {
    static func main() {
        Fuzzer.run { input in
            var choices = Choices(input)
            let lineBytesMax = Int(choices.byte())
            let pieces = choices.text(upTo: UInt8(ascii: "\n")).map { Int($0) + 1 }
            let text = choices.text
            checkLines(text, pieces, lineBytesMax: lineBytesMax)

            let atOnce = Stream(text, pieces: [], disk: [])
            let inPieces = Stream(text, pieces: pieces, disk: pieces)
            require(atOnce.accepted == inPieces.accepted, "other bytes in other pieces")
            require(atOnce.settled == inPieces.settled, "\(inPieces.settled) lines settled")
        }
    }

    private static func checkLines(_ text: [UInt8], _ pieces: [Int], lineBytesMax: Int) {
        var expected = text.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // What ends with a newline has no line behind it.
        if expected.last?.isEmpty == true { expected.removeLast() }
        var next = expected[...]
        var lines = EventStreamLines(lineBytesMax: lineBytesMax)
        let check: (EventStreamLines.Line) -> Void = { line in
            guard let line1 = next.popFirst() else { return require(false, "a line too many") }
            switch line {
            case .whole(let bytes):
                require(bytes.elementsEqual(line1), "\(shown(bytes)) for \(shown(line1))")
                require(bytes.count <= lineBytesMax, "\(bytes.count) bytes are too many")
            case .abandoned(let beginning, let reason):
                require(line1.starts(with: beginning), "\(shown(beginning)) of \(shown(line1))")
                require(line1.count > lineBytesMax, "\(shown(line1)) would have been held")
                require(beginning.count >= lineBytesMax, "\(beginning.count) bytes were kept")
                require(!reason.isEmpty, "no reason")
            }
        }
        forEachPiece(of: text, pieces) { piece in
            lines.read(piece, check)
            require(lines.heldBytes <= max(lineBytesMax, Limits.malformedBytesMax), "held")
        }
        lines.finish(check)
        require(next.isEmpty, "\(next.count) lines were not given")
        require(lines.heldBytes == 0, "\(lines.heldBytes) bytes held at the end")
    }

    /// Cuts a text into pieces of these lengths; the last one has the rest.
    static func forEachPiece(
        of text: [UInt8], _ pieces: [Int], _ body: (UnsafeRawBufferPointer) -> Void
    ) {
        var rest = text[...]
        for length in pieces where !rest.isEmpty {
            // A copy of its own, so that a reader cannot look at what has not arrived.
            Array(rest.prefix(length)).withUnsafeBytes(body)
            rest = rest.dropFirst(length)
        }
        Array(rest).withUnsafeBytes(body)
    }
}

/// One stream with its door, its window and a disk that is done at chosen moments.
private struct Stream {
    /// The bytes of all events, in the order of their commits.
    var accepted: [UInt8] = []
    var settled: Int { window.linesSettled }

    private var window = EventStreamWindow(caller: "uid:1")
    private let decoder = EventDecoder(
        identity: SpoolIdentity(epoch: 7, key0: 11, key1: 13), defaultProject: "home",
        stamps: SteadyStamps())
    private var underWay: Submission?

    init(_ text: [UInt8], pieces: [Int], disk: [Int]) {
        var lines = EventStreamLines()
        var turns = disk[...]
        NDJSON.forEachPiece(of: text, pieces) { piece in
            lines.read(piece) { take($0) }
            step(turns.popFirst() ?? 1)
        }
        lines.finish { take($0) }
        while underWay != nil || !window.isSettled { step(1) }
        require(window.bytes == 0, "\(window.bytes) bytes are left in the books")
        require(window.linesSettled == window.linesRead, "lines are left")
    }

    private mutating func take(_ line: EventStreamLines.Line) {
        let decoder = decoder
        switch line {
        case .whole(let bytes) where bytes.isEmpty: window.pass()
        case .whole(let bytes):
            let read = window.linesRead
            let refusal = window.add(lineBytes: bytes.count) { submission in
                let before = submission
                let refusal = decoder.decodeLine(bytes, into: &submission)
                let added = submission.events.count - before.events.count
                require(added == (refusal == nil ? 1 : 0), "\(added) events of \(shown(bytes))")
                if refusal != nil {
                    require(submission.bytes == before.bytes, "a refused line left bytes")
                    require(submission.projects == before.projects, "a refused line left names")
                }
                return refusal
            }
            if let refusal {
                let detail = try? JSONValue(parsing: refusal.detail)
                require(detail?.elements?.isEmpty == false, "\(shown(refusal.detail))")
                require(!refusal.message.isEmpty, "no message")
            }
            require(window.linesRead == read + 1, "\(window.linesRead) after \(read)")
        case .abandoned: window.pass()
        }
        require(window.linesSettled <= window.linesRead, "more settled than read")
    }

    /// The sink will never accept events of some lengths.
    private mutating func refuse() {
        while let events = underWay?.events,
            let index = events.firstIndex(where: { $0.body.count % 16 == 3 })
        {
            let refused = window.refuse(eventAt: index)
            require(refused.kind == events[index].kind, "\(refused.kind) was refused")
            require(refused.line > window.linesSettled, "line \(refused.line) is settled")
            require(refused.line <= window.linesRead, "line \(refused.line) was not read")
            require(
                refused.body.elementsEqual(underWay?.bytes[events[index].body] ?? []),
                "\(shown(refused.body)) was refused")
            underWay?.events.remove(at: index)
            let isLeft = underWay?.events.isEmpty == false
            require(window.hasEventsUnderWay == isLeft, "events are left, or not")
        }
    }

    /// The sink might never have room for all at once.
    private mutating func halve() {
        guard let all = underWay?.events, all.count > 1 else { return }
        underWay = window.halve()
        let kept = underWay?.events.map(\.body) ?? []
        require(!kept.isEmpty && kept.count < all.count, "\(kept.count) of \(all.count) are kept")
        require(kept == all.prefix(kept.count).map(\.body), "others than the first are kept")
    }

    /// The disk does nothing, fails, or is done with what is under way.
    private mutating func step(_ turn: Int) {
        if underWay != nil {
            switch turn % 3 {
            case 0: return
            case 1:
                if turn / 3 % 2 == 1 { halve() }
                refuse()
                for event in underWay?.events ?? [] {
                    accepted += underWay?.bytes[event.body] ?? []
                }
                let settled = window.linesSettled
                underWay = window.accepted()
                require(window.linesSettled > settled, "a commit settled nothing")
            default:
                require(window.again().bytes == underWay?.bytes, "another submission is under way")
            }
        }
        guard underWay == nil else { return }
        underWay = window.next()
        require(underWay?.events.isEmpty != true, "an empty submission")
    }
}
