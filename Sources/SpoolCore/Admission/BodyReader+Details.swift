/// What strict validation asks besides. Values are looked at a second time for it, by themselves,
/// so that lenient validation pays nothing.
extension BodyReader {
    /// Whether more is asked than that the types are right.
    var isStrict: Bool { decoder.validation == .strict }

    /// Refuses a key that no contract names, under strict validation.
    mutating func checkUnknown(_ key: JSONKey, at place: Place) {
        guard isStrict else { return }
        refuseUnknown(JSONText.string(bytes, key), at: place.loc())
    }

    /// Checks a field's value against what is said of it besides its types.
    mutating func checkDetail(
        _ slice: JSONSlice, _ detail: Contract.Detail, of field: Contract.Field, at place: Place
    ) throws(JSONError) {
        let text = UnsafeRawBufferPointer(rebasing: bytes[slice.range])
        try check(text, detail, at: place.loc(field.name))
    }

    private mutating func refuseUnknown(_ name: String, at loc: [Mistake.Step]) {
        let name = String(name.prefix(Mistake.quotedMax))
        refuse(
            loc + [.name(name)], as: .unknownKey,
            "the API documents no such key here; leave it out")
    }

    private mutating func check(
        _ text: UnsafeRawBufferPointer, _ detail: Contract.Detail, at loc: [Mistake.Step]
    ) throws(JSONError) {
        var scanner = JSONScanner(text, depthMax: Limits.jsonDepthMax)
        switch (detail, try scanner.peekKind()) {
        case (.listed(let names), .string):
            checkListed(try scanner.scanValue(), of: text, names, at: loc)
        case (.object(let contract), .object):
            try checkObject(text, contract, at: loc)
        case (.elements(let types, let detail), .array):
            try checkElements(text, types, detail, at: loc)
        case (.byType(let variants), .object):
            try checkVariant(text, variants, at: loc)
        case (.byID(let contract, let other), .object):
            let hasID = try member("id", of: text) != nil
            try checkObject(text, hasID ? contract : other, at: loc)
        default: break
        }
    }

    private mutating func checkListed(
        _ slice: JSONSlice, of text: UnsafeRawBufferPointer, _ names: [StaticString],
        at loc: [Mistake.Step]
    ) {
        let content = (slice.range.lowerBound + 1)..<(slice.range.upperBound - 1)
        let isListed = names.contains {
            JSONText.equals(text, content, hasEscapes: slice.hasEscapes, $0)
        }
        guard !isListed else { return }
        let list = names.map(\.description).joined(separator: ", ")
        refuse(loc, as: .unlisted, "expected one of: \(list)")
    }

    private mutating func checkElements(
        _ text: UnsafeRawBufferPointer, _ types: Contract.Types, _ detail: Contract.Detail?,
        at loc: [Mistake.Step]
    ) throws(JSONError) {
        var scanner = JSONScanner(text, depthMax: Limits.jsonDepthMax)
        try scanner.enterArray()
        var index = 0
        while mayListMore, try scanner.nextElement() {
            let slice = try scanner.scanValue()
            if slice.kind == .null || !types.admits(slice, of: text) {
                refuse(loc + [.index(index)], as: types.mistake, types.complaint(about: slice.kind))
            } else if let detail {
                let element = UnsafeRawBufferPointer(rebasing: text[slice.range])
                try check(element, detail, at: loc + [.index(index)])
            }
            index += 1
        }
    }

    private mutating func checkVariant(
        _ text: UnsafeRawBufferPointer, _ variants: [(type: StaticString, contract: Contract)],
        at loc: [Mistake.Step]
    ) throws(JSONError) {
        guard let type = try member("type", of: text), type.kind == .string else {
            return try checkObject(text, variants[0].contract, at: loc)
        }
        let content = (type.range.lowerBound + 1)..<(type.range.upperBound - 1)
        let variant = variants.first {
            JSONText.equals(text, content, hasEscapes: type.hasEscapes, $0.type)
        }
        guard let variant else {
            return checkListed(type, of: text, variants.map(\.type), at: loc + [.name("type")])
        }
        try checkObject(text, variant.contract, at: loc)
    }

    /// The last value under a key of an object; nil when there is none, or null.
    private func member(
        _ name: StaticString, of text: UnsafeRawBufferPointer
    ) throws(JSONError) -> JSONSlice? {
        var scanner = JSONScanner(text, depthMax: Limits.jsonDepthMax)
        var found: JSONSlice?
        try scanner.enterObject()
        while let key = try scanner.nextMember() {
            let slice = try scanner.scanValue()
            if JSONText.equals(text, key.range, hasEscapes: key.hasEscapes, name) { found = slice }
        }
        return found?.kind == .null ? nil : found
    }

    private mutating func checkObject(
        _ text: UnsafeRawBufferPointer, _ contract: Contract, at loc: [Mistake.Step]
    ) throws(JSONError) {
        var scanner = JSONScanner(text, depthMax: Limits.jsonDepthMax)
        var given: Set<Int> = []
        try scanner.enterObject()
        while mayListMore, let key = try scanner.nextMember() {
            let slice = try scanner.scanValue()
            guard let place = contract.place(ofKey: key, in: text) else {
                refuseUnknown(JSONText.string(text, key), at: loc)
                continue
            }
            if slice.kind != .null { given.insert(place) }
            try checkMember(slice, of: text, contract, place, at: loc)
        }
        for (place, field) in contract.fields.enumerated()
        where field.rule == .required && !given.contains(place) {
            refuse(
                loc + [.name(field.name.description)], as: .missing,
                "this key is required: \(field.types.phrase)")
        }
    }

    private mutating func checkMember(
        _ slice: JSONSlice, of text: UnsafeRawBufferPointer, _ contract: Contract, _ place: Int,
        at loc: [Mistake.Step]
    ) throws(JSONError) {
        let field = contract.fields[place]
        let loc = loc + [.name(field.name.description)]
        guard field.types.admits(slice, of: text) else {
            return refuse(loc, as: field.types.mistake, field.types.complaint(about: slice.kind))
        }
        guard let detail = contract.details[place] else { return }
        try check(UnsafeRawBufferPointer(rebasing: text[slice.range]), detail, at: loc)
    }
}
