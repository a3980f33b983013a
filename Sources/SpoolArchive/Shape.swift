/// What a JSON value must look like: the words of which ``V4Contract`` is made.
indirect enum Shape: Sendable {
    case string
    case boolean
    case number
    /// A number without fraction and exponent.
    case integer
    /// A string that `DateTime` reads.
    case dateTime
    /// An object whose members are the caller's own affair.
    case freeObject
    /// One of these strings.
    case oneOf([StaticString])
    /// An array whose elements all have one shape.
    case list(Shape)
    /// An object with documented members.
    case object(ObjectShape)
    /// The first of these shapes that fits the kind of value.
    case either([Shape])
    /// An object whose shape a member tells, `untagged` where that member is absent.
    case tagged(by: StaticString, untagged: ObjectShape?, [(tag: StaticString, ObjectShape)])
    /// An object with one shape if it has this member, with another if it has not.
    case having(StaticString, ObjectShape, otherwise: ObjectShape)
}

/// An object's documented members and what must hold between them.
struct ObjectShape: Sendable {
    /// The members in the order of the documentation.
    let fields: [Field]
    /// Whether other members are mistakes (`additionalProperties: false`).
    let isClosed: Bool
    /// What must hold between members.
    let rules: [Rule]

    /// An object of these members.
    init(_ fields: [Field], isClosed: Bool = false, rules: [Rule] = []) {
        self.fields = fields
        self.isClosed = isClosed
        self.rules = rules
    }
}

/// One documented member.
struct Field: Sendable {
    let name: StaticString
    let shape: Shape
    let isRequired: Bool

    /// A member that may be absent.
    static func optional(_ name: StaticString, _ shape: Shape) -> Field {
        Field(name: name, shape: shape, isRequired: false)
    }

    /// A member that must be there and not be `null`.
    static func required(_ name: StaticString, _ shape: Shape) -> Field {
        Field(name: name, shape: shape, isRequired: true)
    }
}

/// What must hold between the members of one object. `null` counts as absent.
enum Rule: Sendable {
    /// At least one of these is given. The mistake names the first.
    case oneNeeded(of: [StaticString])
    /// Not both of these are given. The mistake names the object.
    case notBoth(StaticString, StaticString)
    /// `name` is given unless the member `flag` is `true`. The mistake names `name`.
    case needed(StaticString, unless: StaticString)
}
