/// A 422 in the shape that v4 documents: `{"detail":[{"loc":[…],"msg":"…","type":"…"},…]}`.
struct ValidationComplaint {
    /// Where each item points, outermost first.
    private let locations: [[JSONValue]]

    /// Nil unless the body has exactly that shape, with at least one item.
    init?(_ body: [UInt8]) {
        let document = try? JSONValue(parsing: body)
        guard let items = document?["detail"]?.elements, !items.isEmpty else { return nil }
        var locations: [[JSONValue]] = []
        for item in items {
            guard let location = item["loc"]?.elements, Self.isPath(location) else { return nil }
            guard item["msg"]?.stringValue != nil, item["type"]?.stringValue != nil else {
                return nil
            }
            locations.append(location)
        }
        self.locations = locations
    }

    /// Whether it complains about the body, which only a server that has read it can do.
    var isAboutBody: Bool { locations.contains { $0[0].stringValue == "body" } }

    /// The elements of an array of `count` that it names, in order, each once.
    func culprits(of count: Int) -> [Int] {
        let named = locations.compactMap { location -> Int? in
            guard location.count > 1, location[0].stringValue == "body" else { return nil }
            guard let place = location[1].intValue, (0..<count).contains(place) else { return nil }
            return place
        }
        return Set(named).sorted()
    }

    /// Whether it complains about a field by which an event names what must be there before it.
    var namesReference: Bool {
        locations.contains { location in
            location.contains { $0.stringValue.map(Self.referenceFields.contains) ?? false }
        }
    }

    private static let referenceFields: Set<String> = [
        "parent_id", "parent_reference_id", "data_id", "log_id", "reference_id", "session_id",
        "project_id",
    ]

    private static func isPath(_ location: [JSONValue]) -> Bool {
        !location.isEmpty && location.allSatisfy { $0.stringValue != nil || $0.intValue != nil }
    }
}
