import SpoolCore

/// One thing wrong with a request, in the form that the API documents (`HTTPValidationError`).
struct Mistake: Equatable {
    /// One step on the way from the request to what is wrong.
    enum Step: Equatable {
        case name(String)
        case index(Int)
    }

    /// Where: starts with `body`, `query` or `path`.
    let place: [Step]
    /// What is wrong and what would be right.
    let message: String
    /// What kind of mistake it is, in pydantic's words where it has one
    /// (docs.pydantic.dev/latest/errors).
    let type: Kind

    /// The kinds of mistake.
    enum Kind: String {
        case missing
        case string = "string_type"
        case boolean = "bool_type"
        case number = "float_type"
        case integer = "int_type"
        case object = "dict_type"
        case list = "list_type"
        case literal = "literal_error"
        case dateTime = "datetime_parsing"
        case union = "union_error"
        case tag = "union_tag_invalid"
        case forbidden = "extra_forbidden"
        case value = "value_error"
        /// What the request names is not in the archive.
        case unknown = "unknown_reference"
    }
}

/// All that is wrong with one request.
struct Mistakes {
    /// How many are listed. Nobody reads more, and an answer must not outgrow its request.
    static let listedMax = 100

    /// The mistakes in the order they were found.
    private(set) var listed: [Mistake] = []

    /// Whether nothing is wrong.
    var isEmpty: Bool { listed.isEmpty }

    /// Whether looking further would change nothing.
    var isFull: Bool { listed.count == Self.listedMax }

    /// Adds one, if there is room for it.
    mutating func add(_ place: [Mistake.Step], _ type: Mistake.Kind, _ message: String) {
        if !isFull { listed.append(Mistake(place: place, message: message, type: type)) }
    }

    /// `{"detail":[{"loc":[…],"msg":"…","type":"…"}]}`
    var body: [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("detail")
        writer.beginArray()
        for mistake in listed {
            writer.beginObject()
            writer.key("loc")
            writer.beginArray()
            for step in mistake.place {
                switch step {
                case .name(let name): writer.string(name)
                case .index(let index): writer.int(index)
                }
            }
            writer.endArray()
            writer.key("msg")
            writer.string(mistake.message)
            writer.key("type")
            writer.string(mistake.type.rawValue)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
