/// A 422 in the shape that v4 documents: `{"detail":[{"loc":[…],"msg":"…","type":"…"},…]}`.
struct ValidationComplaint {
    /// One thing that is wrong.
    private struct Item {
        /// Where, outermost first.
        let location: [JSONValue]
        /// What kind of thing.
        let type: String
    }

    private let items: [Item]

    /// Nil unless the body has exactly that shape, with at least one item.
    init?(_ body: [UInt8]) {
        let document = try? JSONValue(parsing: body)
        guard let details = document?["detail"]?.elements, !details.isEmpty else { return nil }
        var items: [Item] = []
        for detail in details {
            guard let location = detail["loc"]?.elements, Self.isPath(location) else { return nil }
            guard detail["msg"]?.stringValue != nil, let type = detail["type"]?.stringValue else {
                return nil
            }
            items.append(Item(location: location, type: type))
        }
        self.items = items
    }

    /// Whether it complains about the body, which only a server that has read it can do.
    var isAboutBody: Bool { items.contains { $0.location[0].stringValue == "body" } }

    /// The elements of an array of `count` that it names, in order, each once.
    func culprits(of count: Int) -> [Int] {
        let named = items.map(\.location).compactMap { location -> Int? in
            guard location.count > 1, location[0].stringValue == "body" else { return nil }
            guard let place = location[1].intValue, (0..<count).contains(place) else { return nil }
            return place
        }
        return Set(named).sorted()
    }

    /// Whether it says of one of these members, whose form is right, that there is no such thing.
    func saysUnknown(_ members: Set<String>) -> Bool {
        items.contains { item in
            guard let member = item.location.last?.stringValue else { return false }
            return members.contains(member) && !Self.isAboutForm(item.type)
        }
    }

    /// Whether a type is one of those that upstream's validator uses for a value of the wrong form, in
    /// its first version (`type_error.str`, `value_error.missing`) or its second (`string_type`,
    /// `missing`): docs.pydantic.dev/latest/errors/validation_errors.
    private static func isAboutForm(_ type: String) -> Bool {
        let beginnings = [
            "type_error", "value_error.missing", "value_error.any_str", "value_error.str",
            "value_error.extra", "missing", "extra_forbidden", "string_", "uuid_", "union_",
        ]
        let ends = ["_type", "_parsing", "_too_long", "_too_short", "_mismatch"]
        return beginnings.contains { type.hasPrefix($0) } || ends.contains { type.hasSuffix($0) }
    }

    private static func isPath(_ location: [JSONValue]) -> Bool {
        !location.isEmpty && location.allSatisfy { $0.stringValue != nil || $0.intValue != nil }
    }
}
