import SpoolCore

/// A column of the list of logs, by which it is sorted and filtered.
enum LogColumn: Sendable, Equatable {
    case timestamp
    case source
    case model
    /// The value of the latest feedback of this type, of any type without one.
    case feedback(type: String?)
    /// The value of the latest result of this evaluator.
    case evaluator(id: String)

    /// A column that a list can be sorted by, as a query names it.
    init?(sortedBy name: String) {
        switch name {
        case "timestamp": self = .timestamp
        case "source": self = .source
        case "model": self = .model
        case "feedback": self = .feedback(type: nil)
        default:
            guard name.hasPrefix("feedback-") else { return nil }
            self = .feedback(type: String(name.dropFirst("feedback-".count)))
        }
    }

    /// A column that a query's key filters, such as `source_filter`.
    init?(filteredBy key: String) {
        guard key.hasSuffix("_filter") else { return nil }
        let name = key.dropLast("_filter".count)
        switch name {
        case "source": self = .source
        case "model": self = .model
        default:
            if name.hasPrefix("feedback-") {
                self = .feedback(type: String(name.dropFirst("feedback-".count)))
            } else if name.hasPrefix("evaluator-") {
                self = .evaluator(id: String(name.dropFirst("evaluator-".count)))
            } else {
                return nil
            }
        }
    }

    /// Whether it stands in a list's own rows.
    var isListed: Bool {
        switch self {
        case .timestamp, .source, .model: true
        case .feedback, .evaluator: false
        }
    }
}

/// A log's value in a column.
struct ColumnValue: Sendable, Equatable {
    /// What a filter compares; several for an array.
    let texts: [String]
    /// Set for a number, which is sorted by its size.
    let number: Double?

    /// A text.
    init(_ text: String) {
        texts = [text]
        number = nil
    }

    /// A JSON value: the content of a string, the elements of an array, anything else as written.
    init(_ value: JSONPart) {
        var texts: [String] = []
        if value.kind == .array {
            value.forEachElement { _, element in
                texts.append(Self.text(of: element))
                return true
            }
        } else {
            texts = [Self.text(of: value)]
        }
        self.texts = texts
        number = value.kind == .number ? texts.first.flatMap(Double.init) : nil
    }

    private static func text(of value: JSONPart) -> String {
        value.kind == .string ? value.string : String(decoding: value.bytes, as: UTF8.self)
    }

    /// Whether a list in ascending order has this value first; numbers come before texts.
    static func < (left: ColumnValue, right: ColumnValue) -> Bool {
        switch (left.number, right.number) {
        case (let left?, let right?): left < right
        case (.some, nil): true
        case (nil, .some): false
        case (nil, nil): left.texts.lexicographicallyPrecedes(right.texts)
        }
    }
}
