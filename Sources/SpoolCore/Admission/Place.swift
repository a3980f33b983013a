/// Where in the input a reader is: what a mistake found here begins its `loc` with. A few words, so
/// that going deeper costs nothing while nothing is wrong.
struct Place {
    /// `body` or `line`.
    let root: StaticString
    /// The kind of event, where the input says it: `log` in `{"log":{…}}`.
    var kind: StaticString?
    /// The element of an array of events.
    var element: Int?
    /// The part of the event: `log` in an evaluation's log.
    var part: StaticString?
    /// The field of the event or its part, and the element of its array.
    var field: StaticString?
    var item: Int?

    init(root: StaticString) {
        self.root = root
    }

    /// The place of an array's element.
    func at(element index: Int) -> Place {
        var place = self
        if field == nil { place.element = index } else { place.item = index }
        return place
    }

    /// The place of the event under a key of a line.
    func at(kind name: StaticString) -> Place {
        var place = self
        place.kind = name
        return place
    }

    /// The place of an event's part.
    func at(part name: StaticString) -> Place {
        var place = self
        place.part = name
        return place
    }

    /// The place of a field's value.
    func at(field name: StaticString) -> Place {
        var place = self
        place.field = name
        return place
    }

    /// The way here, and on to a key when one is given.
    func loc(_ key: StaticString? = nil) -> [Mistake.Step] {
        var steps = [Mistake.Step.name(root.description)]
        if let kind { steps.append(.name(kind.description)) }
        if let element { steps.append(.index(element)) }
        if let part { steps.append(.name(part.description)) }
        if let field { steps.append(.name(field.description)) }
        if let item { steps.append(.index(item)) }
        if let key { steps.append(.name(key.description)) }
        return steps
    }
}
