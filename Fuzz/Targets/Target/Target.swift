import FuzzKit
import SpoolCore

@testable import SpoolIngest

/// No path leads a live call out of upstream's base path, nothing but provisional ids is rewritten
/// on the way, and what names a log or an evaluation reads back as it was meant.
@main
enum Target {
    static func main() {
        Fuzzer.run { input in
            var choices = Choices(input)
            let parts = choices.text(upTo: 0).split(
                separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
            let path = parts.first.map { text(Array($0)) } ?? ""
            let query = parts.count == 2 ? text(Array(parts[1])) : nil
            checkLive(path, query)
            checkRoute(path, query)
            checkEncoding(path)
            checkEncoding(query ?? "")
            checkItems(query ?? "")
            checkBody(choices.text)
        }
    }

    private static let identity = SpoolIdentity(epoch: 7, key0: 11, key1: 13)

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    // MARK: Live calls

    private static func checkLive(_ path: String, _ query: String?) {
        let target: LiveTarget
        do {
            target = try LiveTarget(path: path, query: query, identity: identity)
        } catch {
            return require(!error.reason.isEmpty, "no reason")
        }
        let written = target.written(identity) { "up/\($0.sequence.rawValue)" }
        let bytes = Array(written.utf8)
        require(bytes.first == UInt8(ascii: "/"), written)
        require(bytes.allSatisfy { (0x21...0x7E).contains($0) }, shown(bytes))
        require(!bytes.contains { "\"#<>\\^`{|}".utf8.contains($0) }, written)
        let parts = bytes.split(
            separator: UInt8(ascii: "?"), maxSplits: 1, omittingEmptySubsequences: false)
        require(!holdsDots(Array(parts[0])), "\(written) leaves its place")
        require((parts.count == 2) == (query != nil), "\(query ?? "no query") became \(written)")

        // Read again, it is the same: nothing is encoded twice.
        let unchanged = target.written(identity) { _ in nil }
        let again = try? LiveTarget(
            path: text(Array(unchanged.utf8.prefix { $0 != UInt8(ascii: "?") })),
            query: query == nil ? nil : text(Array(unchanged.utf8.drop { $0 != 63 }.dropFirst())),
            identity: identity)
        let isMount = target.segments.first == "v4"
        require(isMount || again?.written(identity) { _ in nil } == unchanged, unchanged)
        if let query {
            let kept = Array(unchanged.utf8.drop { $0 != UInt8(ascii: "?") }.dropFirst())
            require(
                decoded(kept) == decoded(Array(query.utf8)), "\(query) became \(shown(kept))")
        }
    }

    /// Whether a server that decodes up to four times, and takes a backslash for a slash and a
    /// semicolon for the begin of a parameter, finds a dot segment.
    private static func holdsDots(_ path: [UInt8]) -> Bool {
        var path = path
        for _ in 0..<4 {
            let steps = path.split { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
            for step in steps {
                let name = step.prefix { $0 != UInt8(ascii: ";") }
                if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { return true }
            }
            path = decoded(path)
        }
        return false
    }

    /// The naive reading of percent-encoding, on bytes.
    private static func decoded(_ text: [UInt8]) -> [UInt8] {
        var decoded: [UInt8] = []
        var index = 0
        while index < text.count {
            let digits = text[index...].dropFirst().prefix(2)
            let isEscape =
                text[index] == UInt8(ascii: "%") && digits.count == 2
                && digits.allSatisfy { Character(UnicodeScalar($0)).isHexDigit }
            decoded.append(
                isEscape
                    ? UInt8(String(decoding: digits, as: UTF8.self), radix: 16) ?? 0 : text[index])
            index += isEscape ? 3 : 1
        }
        return decoded
    }

    // MARK: Spooled calls

    private static func checkRoute(_ path: String, _ query: String?) {
        for method in ["GET", "POST", "PATCH", "DELETE"] {
            let route = IngestRoute(method: method, path: path[...])
            guard case .spooled(let operation) = route else { continue }
            switch operation {
            case .update(let id): checkLogID(id)
            case .evaluationLog(let id), .evaluationResult(let id): checkEvaluation(id, query)
            case .logs, .feedback, .updateByReference, .session: break
            }
        }
        if let reference = try? RequestTarget.reference(in: query) {
            require(reference.utf8.count <= Limits.referenceBytesMax, "\(reference.utf8.count)")
            let again = try? RequestTarget.reference(
                in: "reference_id=" + URLBytes.encoded(reference))
            require(again == reference, "\(reference) reads as \(again ?? "nothing")")
        }
        if let deletion = try? LogDeletion(query: query, identity) {
            let standings = deletion.sequences.map { _ in
                ProvisionalStanding.unknown
            }
            _ = deletion.decide(standings)
        }
    }

    private static func checkLogID(_ text: String) {
        guard let id = try? RequestTarget.logID(text) else { return }
        require(!id.isEmpty && id.utf8.count <= Limits.referenceBytesMax, "an id of \(text)")
        require(!holdsDotStep(Array(id.utf8)), "\(id) leaves its place")
        let again = try? RequestTarget.logID(URLBytes.encoded(id))
        require(again == id, "\(id) reads as \(again ?? "nothing")")
    }

    private static func checkEvaluation(_ id: String, _ query: String?) {
        guard let address = try? RequestTarget.evaluation(id, query: query) else { return }
        require(address.utf8.count <= Limits.referenceBytesMax, "\(address.utf8.count) bytes")
        require(address.utf8.starts(with: id.utf8), "\(id) became \(address)")
        require(!holdsDotStep(decoded(Array(id.utf8))), "\(id) leaves its place")
    }

    private static func holdsDotStep(_ id: [UInt8]) -> Bool {
        id.split(separator: UInt8(ascii: "/")).contains {
            $0.elementsEqual(".".utf8) || $0.elementsEqual("..".utf8)
        }
    }

    // MARK: Parts

    private static func checkEncoding(_ text: String) {
        let value = URLBytes.encoded(text)
        require(
            PercentDecoding.decode(value[...].utf8, plusIsSpace: true) == text,
            "\(text) became \(value)")
        let legal = URLBytes.legal(text[...])
        require(URLBytes.legal(legal[...]) == legal, "\(text) became \(legal)")
        require(decoded(Array(legal.utf8)) == decoded(Array(text.utf8)), "\(text) became \(legal)")
        let ours = PercentDecoding.decode(text[...].utf8, plusIsSpace: false)
        let naive = String(validating: decoded(Array(text.utf8)), as: UTF8.self)
        require(ours == naive, "\(ours ?? "nothing"), not \(naive ?? "nothing")")
    }

    private static func checkItems(_ query: String) {
        let items = QueryItem.items(in: query)
        let joined = items.map(\.text).joined(separator: "&")
        let expected = query.utf8.split(separator: UInt8(ascii: "&"))
            .map { String(Substring($0)) }.joined(separator: "&")
        require(joined == expected, "\(query) became \(joined)")
    }

    private static func checkBody(_ bytes: [UInt8]) {
        let body = LiveBody(bytes, identity)
        require(body.written { _ in nil } == bytes, "a body without ids was changed")
        let swapped = body.written { _ in "up\"1" }
        require(body.things.isEmpty == (swapped == bytes), shown(swapped))
        guard let tree = try? JSONValue(parsing: bytes) else { return }
        let again = try? JSONValue(parsing: swapped)
        require(again != nil, "no JSON any more: \(shown(swapped))")
        require(again?.members?.count == tree.members?.count, shown(swapped))
        require(LiveBody(swapped, identity).things.isEmpty, "an id is left: \(shown(swapped))")
    }
}
