/// What the door asks of one kind of body: a table that reads like the API's documentation.
///
/// By default only documented keys are looked at, and of these only the type; unknown keys and
/// unlisted enum values pass, unless validation is ``Validation/strict``. Null equals absent. A new
/// kind of body is a new table.
public struct Contract: Sendable {
    /// A documented key.
    public struct Field: Sendable {
        /// The key.
        public let name: StaticString
        /// The JSON types its value may have, besides null.
        public let types: Types
        /// What else must hold.
        public let rule: Rule?
        /// What the daemon reads the value for; nil when it only travels.
        public let role: Role?
        /// Where the field comes from.
        public let source: Source
    }

    /// A row of the table: a key, and what strict validation asks of its value besides. Apart from
    /// each other, so that reading a key counts no references.
    struct Row {
        /// The key.
        let field: Field
        /// What strict validation asks of its value besides the type.
        let detail: Detail?

        /// A row as the tables write it.
        init(
            _ name: StaticString, _ types: Types, _ rule: Rule? = nil, role: Role? = nil,
            strictly detail: Detail? = nil, from source: Source = .spec
        ) {
            self.init(
                Field(name: name, types: types, rule: rule, role: role, source: source), detail)
        }

        fileprivate init(_ field: Field, _ detail: Detail?) {
            self.field = field
            self.detail = detail
        }
    }

    /// Where a row of the table comes from.
    public enum Source: Sendable {
        /// The schemas of the API's OpenAPI document.
        case spec
        /// The document's own prose, which its schemas do not enforce.
        case prose
        /// An addition of this daemon, which upstream never sees.
        case addition
    }

    /// What must hold of two keys together.
    public struct PairRule: Sendable {
        /// What must hold.
        public enum Demand: Sendable {
            /// At most one of them is given.
            case notBoth
            /// At least one of them is given.
            case oneNeeded
        }

        /// What must hold.
        public let demand: Demand
        /// The key that is missed when none is given.
        public let first: Role
        /// The key that is too much when both are given.
        public let second: Role
        /// Where the rule comes from.
        public let source: Source

        static func notBoth(
            _ first: Role, _ second: Role, from source: Source = .prose
        ) -> PairRule {
            PairRule(demand: .notBoth, first: first, second: second, source: source)
        }

        static func oneNeeded(
            _ first: Role, _ second: Role, from source: Source = .prose
        ) -> PairRule {
            PairRule(demand: .oneNeeded, first: first, second: second, source: source)
        }
    }

    /// A set of JSON types.
    public struct Types: OptionSet, Sendable {
        /// One bit for each type.
        public let rawValue: UInt8

        /// A set of types from its bits.
        public init(rawValue: UInt8) { self.rawValue = rawValue }

        /// `"…"`
        public static let string = Types(rawValue: 1)
        /// Any number.
        public static let number = Types(rawValue: 2)
        /// A number without a fraction: `3`, and also `3.0`, which JSON Schema calls an integer.
        public static let integer = Types(rawValue: 4)
        /// `true` or `false`
        public static let boolean = Types(rawValue: 8)
        /// `{…}`
        public static let object = Types(rawValue: 16)
        /// `[…]`
        public static let array = Types(rawValue: 32)
    }

    /// What must hold of a field besides its type.
    public enum Rule: Sendable {
        /// Present and not null.
        case required
        /// A date-time that ``DateTime`` can read.
        case dateTime
        /// A caller's own key, of at most ``Limits/referenceBytesMax`` bytes.
        case name
        /// A name that becomes one segment of a request's path: neither empty nor dots alone.
        case pathID
        /// The same, present and not null.
        case requiredPathID
        /// An object, or an array of objects, of ``Contract/inlineFeedback``.
        case feedback
        /// An object of ``Contract/log``, present and not null.
        case log

        /// Whether null and absence are mistakes.
        var isRequired: Bool {
            switch self {
            case .required, .requiredPathID, .log: true
            case .dateTime, .name, .pathID, .feedback: false
            }
        }
    }

    /// What the daemon reads a value for. A key with a role must not occur twice, because then two
    /// readers could understand the body differently.
    public enum Role: UInt8, Sendable, CaseIterable {
        case reference
        case createdAt
        case project
        case projectID
        case session
        case sessionReference
        case parent
        case parentReference
        case feedback
        case type
        case value
        case unset
        case target
        case user
        case output
        case error
        case duration
        case id
        case log
        case datapoint
        case evaluation
        case evaluatee
        case evaluator
        case result
    }

    /// The keys, in the documentation's order.
    public let fields: [Field]
    /// What strict validation asks of each field's value besides.
    let details: [Detail?]
    /// What must hold of two keys together.
    public let pairs: [PairRule]
    /// Places in ``fields``, ordered by the length of the name.
    private let places: [UInt8]
    /// `places[starts[n]..<starts[n + 1]]` are the names of `n` bytes.
    private let starts: [UInt8]

    init(_ rows: [Row], _ pairs: [PairRule] = []) {
        let fields = rows.map(\.field)
        self.fields = fields
        self.details = rows.map(\.detail)
        self.pairs = pairs
        let longest = fields.map(\.name.utf8CodeUnitCount).max() ?? 0
        var places: [UInt8] = []
        var starts: [UInt8] = [0]
        for length in 0...longest {
            for (place, field) in fields.enumerated()
            where field.name.utf8CodeUnitCount == length {
                places.append(UInt8(place))
            }
            starts.append(UInt8(places.count))
        }
        self.places = places
        self.starts = starts
    }

    /// The field with this name, if the key is documented. Allocates nothing.
    public func field(named name: UnsafeRawBufferPointer) -> Field? {
        place(of: name).map { fields[$0] }
    }

    /// The place in ``fields`` of the one that a key of `text` names, escapes decoded.
    func place(ofKey key: JSONKey, in text: UnsafeRawBufferPointer) -> Int? {
        guard key.hasEscapes else {
            return place(of: UnsafeRawBufferPointer(rebasing: text[key.range]))
        }
        var name = JSONText.string(text, key)
        return name.withUTF8 { place(of: UnsafeRawBufferPointer($0)) }
    }

    private func place(of name: UnsafeRawBufferPointer) -> Int? {
        guard name.count + 1 < starts.count else { return nil }
        for slot in starts[name.count]..<starts[name.count + 1] {
            let place = Int(places[Int(slot)])
            let literal = UnsafeRawBufferPointer(
                start: fields[place].name.utf8Start, count: name.count)
            if literal.elementsEqual(name) { return place }
        }
        return nil
    }

    /// The table, for one that adds to it.
    var rows: [Row] { zip(fields, details).map(Row.init) }

    /// The field of this role; nil when the body has none.
    func field(of role: Role) -> Field? {
        fields.first { $0.role == role }
    }
}

extension Contract.Types {
    /// Whether a value of `text` has one of the types, or is null.
    func admits(_ slice: JSONSlice, of text: UnsafeRawBufferPointer) -> Bool {
        admits(slice.kind)
            || slice.kind == .number && contains(.integer) && Self.isWhole(text[slice.range])
    }

    /// Whether a number has no fraction. With an exponent it is let pass: upstream knows better.
    private static func isWhole(_ number: Slice<UnsafeRawBufferPointer>) -> Bool {
        guard !number.contains(where: { $0 | 0x20 == UInt8(ascii: "e") }) else { return true }
        guard let point = number.firstIndex(of: UInt8(ascii: ".")) else { return true }
        return number[(point + 1)...].allSatisfy { $0 == UInt8(ascii: "0") }
    }

    /// Whether a value of this kind is one of the types, `integer` left aside.
    private func admits(_ kind: JSONKind) -> Bool {
        switch kind {
        case .null: true
        case .string: contains(.string)
        case .number: contains(.number)
        case .true, .false: contains(.boolean)
        case .object: contains(.object)
        case .array: contains(.array)
        }
    }

    /// The types in words: `a string or an array`.
    var phrase: String {
        let names: [(Contract.Types, String)] = [
            (.boolean, "a boolean"), (.number, "a number"), (.integer, "a whole number"),
            (.string, "a string"), (.object, "an object"), (.array, "an array"),
        ]
        return names.filter { contains($0.0) }.map(\.1).joined(separator: " or ")
    }

    /// What to say of a value of another type.
    func complaint(about kind: JSONKind) -> String { "expected \(phrase), got \(kind.phrase)" }

    /// The kind of mistake that a value of another type makes.
    var mistake: Mistake.Kind {
        switch self {
        case .string: .string
        case .number: .number
        case .integer: .integer
        case .boolean: .boolean
        case .object: .object
        case .array: .array
        default: .union
        }
    }
}

extension JSONKind {
    /// The kind in words.
    var phrase: String {
        switch self {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "a number"
        case .true, .false: "a boolean"
        case .null: "null"
        }
    }
}
