import SpoolCore

/// Compares values with their documented shapes and collects every difference.
struct ShapeCheck {
    /// What was found so far.
    private(set) var mistakes = Mistakes()
    private var place: [Mistake.Step]

    /// A check of what stands at `place`.
    init(at place: [Mistake.Step] = [.name("body")]) {
        self.place = place
    }

    /// Compares an object, or each object of an array: the two forms of `POST /logs` and
    /// `/feedback`.
    mutating func checkOneOrMany(_ value: JSONPart, _ shape: ObjectShape) {
        guard value.kind == .array else {
            guard value.kind == .object else {
                let found = value.kind.noun
                return add(.object, "expected an object or an array of objects, not \(found)")
            }
            return check(value.members, shape)
        }
        check(value, .list(.object(shape)))
    }

    /// Compares a value with a shape.
    mutating func check(_ value: JSONPart, _ shape: Shape) {
        guard shape.admits(value.kind) else {
            return add(shape.mistake, "expected \(shape.noun), not \(value.kind.noun)")
        }
        switch shape {
        case .string, .boolean, .number, .freeObject: break
        case .integer: if !value.isInteger { add(.integer, "expected an integer") }
        case .dateTime: if DateTime(value.string) == nil { addDateTime() }
        case .oneOf(let words): check(value, isOneOf: words)
        case .list(let element): check(elementsOf: value, element)
        case .object(let object): check(value.members, object)
        case .either(let shapes): checkEither(value, shapes)
        case .tagged(let tag, let untagged, let shapes):
            checkTagged(value.members, by: tag, untagged, shapes)
        case .having(let name, let object, let otherwise):
            let members = value.members
            check(members, members[name] == nil ? otherwise : object)
        }
    }

    // MARK: Objects

    private mutating func check(_ members: JSONMembers, _ shape: ObjectShape) {
        for field in shape.fields {
            if let value = members[field.name] {
                place.append(.name(field.name.description))
                check(value, field.shape)
                place.removeLast()
            } else if field.isRequired {
                add(at: field.name, .missing, "\(field.name) is required")
            }
        }
        for rule in shape.rules { check(members, rule) }
        if shape.isClosed { check(members, hasOnly: shape.fields) }
    }

    private mutating func check(_ members: JSONMembers, _ rule: Rule) {
        switch rule {
        case .oneNeeded(let names):
            guard names.allSatisfy({ members[$0] == nil }) else { return }
            let choice = names.map(\.description).joined(separator: " or ")
            add(at: names[0], .missing, "\(choice) is required")
        case .notBoth(let one, let other):
            guard members[one] != nil, members[other] != nil else { return }
            add(.value, "give \(one) or \(other), not both")
        case .needed(let name, let flag):
            guard members[name] == nil, members[flag]?.kind != .true else { return }
            add(at: name, .missing, "\(name) is required unless \(flag) is true")
        }
    }

    private mutating func check(_ members: JSONMembers, hasOnly fields: [Field]) {
        for entry in members.entries {
            guard !fields.contains(where: { members.has(entry, $0.name) }) else { continue }
            place.append(.name(members.name(of: entry)))
            add(.forbidden, "no such member; this object takes only the documented ones")
            place.removeLast()
        }
    }

    private mutating func checkTagged(
        _ members: JSONMembers, by tag: StaticString, _ untagged: ObjectShape?,
        _ shapes: [(tag: StaticString, ObjectShape)]
    ) {
        guard let value = members[tag] else {
            guard let untagged else { return add(at: tag, .missing, "\(tag) is required") }
            return check(members, untagged)
        }
        if let (_, shape) = shapes.first(where: { value.isString($0.tag) }) {
            return check(members, shape)
        }
        add(at: tag, .tag, "expected \(Self.choice(shapes.map(\.tag)))")
    }

    // MARK: Values

    private mutating func check(elementsOf array: JSONPart, _ shape: Shape) {
        array.forEachElement { index, element in
            place.append(.index(index))
            check(element, shape)
            place.removeLast()
            return !mistakes.isFull
        }
    }

    private mutating func check(_ value: JSONPart, isOneOf words: [StaticString]) {
        guard !words.contains(where: value.isString) else { return }
        add(.literal, "expected \(Self.choice(words))")
    }

    private mutating func checkEither(_ value: JSONPart, _ shapes: [Shape]) {
        // Some shape admits the kind, or the check would not have come here.
        if let shape = shapes.first(where: { $0.admits(value.kind) }) { check(value, shape) }
    }

    private mutating func addDateTime() {
        add(.dateTime, "expected a date and time such as 2024-05-01T12:30:15.123+00:00")
    }

    // MARK: Mistakes

    private mutating func add(_ type: Mistake.Kind, _ message: String) {
        mistakes.add(place, type, message)
    }

    private mutating func add(at name: StaticString, _ type: Mistake.Kind, _ message: String) {
        mistakes.add(place + [.name(name.description)], type, message)
    }

    private static func choice(_ words: [StaticString]) -> String {
        words.map { "'\($0)'" }.joined(separator: " or ")
    }
}

extension Shape {
    /// Whether a value of this kind can have this shape.
    fileprivate func admits(_ kind: JSONKind) -> Bool {
        switch self {
        case .string, .dateTime, .oneOf: kind == .string
        case .boolean: kind == .true || kind == .false
        case .number, .integer: kind == .number
        case .freeObject, .object, .tagged, .having: kind == .object
        case .list: kind == .array
        case .either(let shapes): shapes.contains { $0.admits(kind) }
        }
    }

    /// What it is, for a sentence.
    fileprivate var noun: String {
        switch self {
        case .string, .oneOf: "a string"
        case .boolean: "true or false"
        case .number: "a number"
        case .integer: "an integer"
        case .dateTime: "a date and time as a string"
        case .freeObject, .object, .tagged, .having: "an object"
        case .list(let element): "an array of \(element.noun)"
        case .either(let shapes): shapes.map(\.noun).joined(separator: " or ")
        }
    }

    /// The mistake of being something else.
    fileprivate var mistake: Mistake.Kind {
        switch self {
        case .string, .oneOf, .dateTime: .string
        case .boolean: .boolean
        case .number: .number
        case .integer: .integer
        case .freeObject, .object, .tagged, .having: .object
        case .list: .list
        case .either: .union
        }
    }
}

extension JSONKind {
    /// What it is, for a sentence.
    var noun: String {
        switch self {
        case .object: "an object"
        case .array: "an array"
        case .string: "a string"
        case .number: "a number"
        case .true: "true"
        case .false: "false"
        case .null: "null"
        }
    }
}
