/// Why a request is not accepted, as the v4 API says it: a status and a JSON body.
public struct Refusal: Error, Equatable, Sendable {
    /// 400 for what is not JSON, 422 for JSON that breaks the contract, 409 for a reference that is
    /// another log's, 413 for too many events at a time.
    public let status: Int
    /// `{"detail":…}`: a sentence for 400 and 413, a list of mistakes for 422.
    public let body: [UInt8]

    /// JSON that breaks the contract: every mistake at once, up to ``Mistake/listedMax``.
    public init(_ mistakes: [Mistake], status: Int = 422) {
        precondition(!mistakes.isEmpty, "a refusal without a mistake")
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("detail")
        Mistake.write(mistakes, to: &writer)
        writer.endObject()
        self.status = status
        self.body = writer.bytes
    }

    /// Bytes that are not JSON.
    public init(syntax error: JSONError, isEmpty: Bool) {
        self.init(
            status: 400,
            isEmpty
                ? "the body is empty; send a JSON object"
                : "the body is not JSON: \(error.message)")
    }

    /// An array of more than ``Limits/requestEventsMax`` events.
    static var tooManyEvents: Refusal {
        Refusal(
            status: 413,
            "the array has more than \(Limits.requestEventsMax) events, nothing was accepted; "
                + "send them in parts")
    }

    private init(status: Int, _ sentence: String) {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("detail")
        writer.string(sentence)
        writer.endObject()
        self.status = status
        self.body = writer.bytes
    }

    /// What to say of a caller's key that is longer than ``Limits/referenceBytesMax``.
    public static func nameIsTooLong(bytes: Int) -> String {
        "the key has \(bytes) bytes; use one of at most \(Limits.referenceBytesMax)"
    }

    /// What to say of a caller's key that upstream could never be asked about: no URL can hold it.
    static let nameHasLoneSurrogate =
        "the key has half a surrogate pair (a \\u escape without its partner); use whole characters"
}

/// Why a line of the event stream is not accepted.
public struct LineRefusal: Error, Equatable, Sendable {
    /// A JSON array of `{"loc":…,"msg":…,"type":…}`, for the stream's `refused` line.
    public let detail: [UInt8]
    /// The same in words, for the ring of malformed input.
    public let message: String

    /// A line that breaks the contract.
    public init(_ mistakes: [Mistake]) {
        precondition(!mistakes.isEmpty, "a refusal without a mistake")
        var writer = JSONWriter()
        Mistake.write(mistakes, to: &writer)
        self.detail = writer.bytes
        self.message = mistakes.map(\.description).joined(separator: "; ")
    }

    /// A line that is not JSON; `loc` gives the byte, counted from 0 within the line.
    public init(syntax error: JSONError) {
        self.init([
            Mistake(
                loc: [.name("line"), .index(error.offset)],
                message: "the line is not JSON: \(error.message)", type: .invalidJSON)
        ])
    }
}

/// One thing that is wrong with a body: where, what, and what would be right.
///
/// Written as an item of FastAPI's validation error, the only error the v4 specification describes
/// (HTTPValidationError); the types are those of pydantic 2.
public struct Mistake: Equatable, Sendable, CustomStringConvertible {
    /// Mistakes listed in one refusal. A caller who sends 10,000 wrong events learns as much from
    /// 100.
    public static let listedMax = 100
    /// Characters of the caller's own text that a mistake repeats.
    public static let quotedMax = 100

    /// The way to the place: `body`, an element's index, a key.
    public let loc: [Step]
    /// What is wrong and what would be right.
    public let message: String
    /// What kind of mistake it is, for programs.
    public let type: Kind

    /// A step on the way to a mistake.
    public enum Step: Equatable, Sendable {
        /// A key, or where the input came from: `body`, `line`, `query`.
        case name(String)
        /// An element of an array, from 0; in a line that is not JSON, a byte.
        case index(Int)
    }

    /// The kinds of mistake there are.
    public enum Kind: String, Sendable {
        /// A required key is absent or null.
        case missing
        /// The key's value is no string.
        case string = "string_type"
        /// The key's value is no number.
        case number = "float_type"
        /// The key's value is no whole number.
        case integer = "int_type"
        /// The key's value is neither true nor false.
        case boolean = "bool_type"
        /// An object was needed.
        case object = "dict_type"
        /// An array was needed.
        case array = "list_type"
        /// The value has none of several allowed types.
        case union = "type_error"
        /// A string that is no ISO 8601 date-time.
        case dateTime = "datetime_parsing"
        /// A name that is longer than upstream could ever be asked about.
        case tooLong = "string_too_long"
        /// Values that contradict each other, or what is known already.
        case value = "value_error"
        /// A key that is not documented, under strict validation.
        case unknownKey = "extra_forbidden"
        /// A string outside the documented list, under strict validation.
        case unlisted = "enum"
        /// Not JSON at all.
        case invalidJSON = "json_invalid"
    }

    /// A mistake at a place.
    public init(loc: [Step], message: String, type: Kind) {
        self.loc = loc
        self.message = message
        self.type = type
    }

    /// `body.0.project: message`
    public var description: String {
        let way = loc.map { step in
            switch step {
            case .name(let name): name
            case .index(let index): String(index)
            }
        }
        return "\(way.joined(separator: ".")): \(message)"
    }

    /// Writes mistakes as the array that `detail` holds.
    public static func write(_ mistakes: [Mistake], to writer: inout JSONWriter) {
        writer.beginArray()
        for mistake in mistakes { mistake.write(to: &writer) }
        writer.endArray()
    }

    private func write(to writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("loc")
        writer.beginArray()
        for step in loc {
            switch step {
            case .name(let name): writer.string(name)
            case .index(let index): writer.int(index)
            }
        }
        writer.endArray()
        writer.key("msg")
        writer.string(message)
        writer.key("type")
        writer.string(type.rawValue)
        writer.endObject()
    }
}
