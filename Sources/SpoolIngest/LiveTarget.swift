import SpoolCore

/// Where a live call goes below upstream's base URL: path and query as the client wrote them, but
/// for the mount, empty segments, and the provisional ids at the places where those count.
struct LiveTarget {
    /// A path that must not be forwarded.
    struct Refusal: Error, Equatable {
        let reason: String
    }

    private enum Piece {
        case text(String)
        case thing(ProvisionalThing)
    }

    /// The query's keys whose values may be provisional ids.
    private static let keys: Set<String> = ["id", "project_id", "session_id"]
    /// How often a path is decoded in search of dot segments: servers behind proxies decode twice.
    private static let decodings = 3

    /// The segments, not decoded, without the mount and without empty ones.
    let segments: [Substring]
    private var pieces: [Piece] = []

    /// The target of a request to this daemon.
    ///
    /// - Throws: a path in which a segment, decoded or not, is `.` or `..`: it could leave the base
    ///   path. Also one whose bytes, decoded, are not UTF-8: no URL type keeps those apart from
    ///   none.
    init(path: String, query: String?, identity: SpoolIdentity) throws(Refusal) {
        segments = Self.segments(of: path)
        let wasNoUTF8 = (path.unicodeScalars + (query ?? "").unicodeScalars).contains("\u{FFFD}")
        guard !wasNoUTF8 else {
            throw Refusal(reason: "percent-encode the bytes of the path and the query")
        }
        for segment in segments {
            guard let decoded = PercentDecoding.decode(segment.utf8, plusIsSpace: false) else {
                throw Refusal(reason: "percent-encode the UTF-8 bytes of the path")
            }
            guard !Self.holdsDots(decoded) else {
                throw Refusal(reason: "the path holds a dot segment; live calls take none")
            }
            pieces.append(.text("/"))
            let thing = identity.thing(namedBy: decoded)
            pieces.append(thing.map { .thing($0) } ?? .text(URLBytes.legal(segment)))
        }
        if segments.isEmpty { pieces.append(.text("/")) }
        if let query { append(query, identity) }
    }

    /// The things that path and query name.
    var things: [ProvisionalThing] {
        pieces.compactMap { piece in
            if case .thing(let thing) = piece { thing } else { nil }
        }
    }

    /// Path and query with upstream's ids; a thing without one keeps its provisional id.
    func written(
        _ identity: SpoolIdentity, _ upstreamID: (ProvisionalThing) -> String?
    ) -> String {
        pieces.map { piece in
            switch piece {
            case .text(let text): text
            case .thing(let thing):
                URLBytes.encoded(
                    upstreamID(thing) ?? identity.id(thing.thing, thing.sequence))
            }
        }.joined()
    }

    /// The segments of a path: the mount `/v4` and empty ones do not count.
    static func segments(of path: String) -> [Substring] {
        // By bytes, as servers do: `/` and a combining mark behind it are one Character.
        let segments = path.utf8.split(separator: UInt8(ascii: "/")).map { Substring($0) }
        return segments.first == "v4" ? Array(segments.dropFirst()) : segments
    }

    private mutating func append(_ query: String, _ identity: SpoolIdentity) {
        var mark = "?"
        let (and, equals) = (UInt8(ascii: "&"), UInt8(ascii: "="))
        for item in query.utf8.split(separator: and, omittingEmptySubsequences: false) {
            let parts = item.split(
                separator: equals, maxSplits: 1, omittingEmptySubsequences: false)
            let decoded = parts.map { PercentDecoding.decode($0, plusIsSpace: true) ?? "" }
            if decoded.count == 2, Self.keys.contains(decoded[0]),
                let thing = identity.thing(namedBy: decoded[1])
            {
                pieces.append(.text("\(mark)\(URLBytes.legal(Substring(parts[0])))="))
                pieces.append(.thing(thing))
            } else {
                pieces.append(.text(mark + URLBytes.legal(Substring(item))))
            }
            mark = "&"
        }
    }

    /// Whether some server could read a dot segment in a segment that was decoded once: `.` or
    /// `..`, encoded once more or twice, beside an encoded slash or a backslash, or before a `;`.
    static func holdsDots(_ segment: String) -> Bool {
        var text = segment
        for _ in 0..<decodings {
            let parts = text.utf8.split { $0 == UInt8(ascii: "/") || $0 == UInt8(ascii: "\\") }
            for part in parts {
                let name = part.prefix { $0 != UInt8(ascii: ";") }
                if name.elementsEqual(".".utf8) || name.elementsEqual("..".utf8) { return true }
            }
            guard let decoded = PercentDecoding.decode(text[...].utf8, plusIsSpace: false) else {
                break
            }
            if decoded == text { return false }
            text = decoded
        }
        // Whoever encodes that often hides something.
        return true
    }
}
