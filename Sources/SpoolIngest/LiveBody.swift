import SpoolCore

/// The body of a live call that may name things by provisional ids: those of the calls that make
/// datapoints, chats and completions. Spliced at the places that count, never encoded anew.
struct LiveBody {
    private struct Place {
        let range: Range<Int>
        let thing: ProvisionalThing
    }

    /// The calls that take a session, a parent and a project.
    private static let calls: Set<Substring> = [
        "chat", "chat-deployed", "chat-model-config", "completion", "completion-deployed",
        "completion-model-config",
    ]

    private let bytes: [UInt8]
    private var places: [Place] = []

    /// Whether the bodies of these requests are read.
    static func isRead(method: String, segments: [Substring]) -> Bool {
        guard method == "POST" else { return false }
        return segments.count == 1 && calls.contains(segments[0])
            || segments.count == 3 && segments[0] == "datasets" && segments[2] == "datapoints"
    }

    /// Finds the provisional ids in `bytes`. What is no JSON object travels as it is: upstream has
    /// the better words for what is wrong with it.
    init(_ bytes: [UInt8], _ identity: SpoolIdentity) {
        self.bytes = bytes
        bytes.withUnsafeBytes { buffer in
            var walk = Walk(buffer: buffer, identity: identity)
            do throws(JSONError) {
                try walk.run()
                places = walk.places
            } catch {
                places = []
            }
        }
    }

    /// The things the body names.
    var things: [ProvisionalThing] { places.map(\.thing) }

    /// The body with upstream's ids; all other bytes are as they came.
    func written(_ upstreamID: (ProvisionalThing) -> String?) -> [UInt8] {
        var written: [UInt8] = []
        written.reserveCapacity(bytes.count)
        var copied = 0
        for place in places {
            guard let id = upstreamID(place.thing) else { continue }
            var writer = JSONWriter(reserving: id.utf8.count + 2)
            writer.string(id)
            written += bytes[copied..<place.range.lowerBound]
            written += writer.bytes
            copied = place.range.upperBound
        }
        return written + bytes[copied...]
    }

    private struct Walk {
        let buffer: UnsafeRawBufferPointer
        let identity: SpoolIdentity
        var places: [Place] = []

        mutating func run() throws(JSONError) {
            var scanner = JSONScanner(buffer, depthMax: Limits.jsonDepthMax)
            try scanner.enterObject()
            while let key = try scanner.nextMember() {
                switch JSONText.string(buffer, key) {
                case "session_id", "parent_id", "project_id":
                    note(try scanner.scanValue())
                case "log_ids" where try scanner.peekKind() == .array:
                    try scanner.enterArray()
                    while try scanner.nextElement() { note(try scanner.scanValue()) }
                default:
                    _ = try scanner.scanValue()
                }
            }
            try scanner.finish()
        }

        private mutating func note(_ slice: JSONSlice) {
            guard slice.kind == .string,
                let thing = identity.thing(namedBy: JSONText.string(buffer, slice))
            else { return }
            places.append(Place(range: slice.range, thing: thing))
        }
    }
}
