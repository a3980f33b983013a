import SpoolCore

/// Where in a request's body its logs or feedback stand, for the place of a mistake.
enum BodyForm: Sendable {
    /// The body is the one element.
    case object
    /// The body is an array of elements.
    case array
    /// The one element is the member `log` of the body.
    case insideLog

    /// The form of a body that is one element or an array of them.
    init(_ body: JSONPart) {
        self = body.kind == .array ? .array : .object
    }

    /// The place of a member of element `index`.
    func place(_ index: Int, _ member: String) -> [Mistake.Step] {
        switch self {
        case .object: [.name("body"), .name(member)]
        case .array: [.name("body"), .index(index), .name(member)]
        case .insideLog: [.name("body"), .name("log"), .name(member)]
        }
    }
}
