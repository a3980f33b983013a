extension BodyReader {
    /// Reads one object and checks its keys against the contract; nil when another value stands
    /// here. The object's bytes are validated to the end either way.
    mutating func readObject(
        _ contract: Contract, at place: Place
    ) throws(JSONError) -> Members? {
        let kind = try scanner.peekKind()
        guard kind == .object else {
            _ = try scanner.scanValue()
            refuse(place, as: .object, "expected an object, got \(kind.phrase)")
            return nil
        }
        var members = Members(at: scanner.offset)
        try scanner.enterObject()
        while let key = try scanner.nextMember() {
            members.isEmpty = false
            guard let index = contract.place(ofKey: key, in: bytes) else {
                checkUnknown(key, at: place)
                _ = try scanner.scanValue()
                continue
            }
            let field = contract.fields[index]
            let slice = try readValue(of: field, at: place, into: &members)
            if isStrict, let detail = contract.details[index] {
                try checkDetail(slice, detail, of: field, at: place)
            }
        }
        members.range = members.range.lowerBound..<scanner.offset
        checkWhole(members, contract, at: place)
        return members
    }

    /// Reads a member's value, checks its type and notes it under its role.
    private mutating func readValue(
        of field: Contract.Field, at place: Place, into members: inout Members
    ) throws(JSONError) -> JSONSlice {
        let slice = try scanValue(of: field, at: place, into: &members)
        guard let role = field.role else { return slice }
        if members.has(role) {
            refuse(place, field.name, as: .value, "the key occurs twice; give it once")
        } else {
            members.note(slice, as: role)
        }
        return slice
    }

    private mutating func scanValue(
        of field: Contract.Field, at place: Place, into members: inout Members
    ) throws(JSONError) -> JSONSlice {
        let kind = try scanner.peekKind()
        if field.rule == .feedback, kind == .object || kind == .array {
            return try readInlineFeedback(kind, at: place.at(field: field.name), into: &members)
        }
        if field.rule == .log, kind == .object {
            let start = scanner.offset
            innerLog = try readLogMembers(at: place.at(part: field.name))
            return JSONSlice(kind: kind, range: start..<scanner.offset, hasEscapes: false)
        }
        let slice = try scanner.scanValue()
        checkValue(slice, field, at: place)
        return slice
    }

    private mutating func checkValue(
        _ slice: JSONSlice, _ field: Contract.Field, at place: Place
    ) {
        guard field.types.admits(slice, of: bytes) else {
            return refuse(
                place, field.name, as: field.types.mistake,
                field.types.complaint(about: slice.kind))
        }
        guard slice.kind == .string else { return }
        switch field.rule {
        case .dateTime: checkDateTime(slice, field, at: place)
        case .name: checkName(slice, field, at: place)
        case .pathID, .requiredPathID: checkPathID(slice, field, at: place)
        case .required, .feedback, .log, nil: break
        }
    }

    private mutating func checkDateTime(
        _ slice: JSONSlice, _ field: Contract.Field, at place: Place
    ) {
        let isDateTime = JSONText.withContent(bytes, slice) { DateTime($0) != nil }
        if !isDateTime {
            refuse(
                place, field.name, as: .dateTime,
                "expected an ISO 8601 date-time such as 2026-01-02T03:04:05.678Z")
        }
    }

    private mutating func checkName(
        _ slice: JSONSlice, _ field: Contract.Field, at place: Place
    ) {
        let count = JSONText.withContent(bytes, slice) { $0.count }
        if count > Limits.referenceBytesMax {
            refuse(place, field.name, as: .tooLong, Refusal.nameIsTooLong(bytes: count))
        }
        if JSONText.hasLoneSurrogate(bytes, slice) {
            refuse(place, field.name, as: .value, Refusal.nameHasLoneSurrogate)
        }
    }

    private mutating func checkPathID(
        _ slice: JSONSlice, _ field: Contract.Field, at place: Place
    ) {
        checkName(slice, field, at: place)
        if JSONText.withContent(bytes, slice, { !PathID.isUsable($0) }) {
            refuse(place, field.name, as: .value, PathID.demand)
        }
    }

    /// Feedback inside a log: one object or an array of them.
    private mutating func readInlineFeedback(
        _ kind: JSONKind, at place: Place, into members: inout Members
    ) throws(JSONError) -> JSONSlice {
        let start = scanner.offset
        if kind == .object {
            try readInlineItem(at: place, into: &members)
        } else {
            try scanner.enterArray()
            var index = 0
            while try scanner.nextElement() {
                try readInlineItem(at: place.at(element: index), into: &members)
                index += 1
            }
        }
        return JSONSlice(kind: kind, range: start..<scanner.offset, hasEscapes: false)
    }

    private mutating func readInlineItem(
        at place: Place, into members: inout Members
    ) throws(JSONError) {
        let item = try readObject(.inlineFeedback, at: place)
        if let target = item?.string(.target) { members.inlineTargets.append(target) }
    }

    /// Checks what only the whole object shows: required keys, and keys that go or do not go
    /// together.
    private mutating func checkWhole(_ members: Members, _ contract: Contract, at place: Place) {
        for field in contract.fields where field.rule?.isRequired == true {
            if let role = field.role, members.value(role) == nil {
                let what = field.types.phrase
                refuse(place, field.name, as: .missing, "this key is required: \(what)")
            }
        }
        for pair in contract.pairs {
            guard let first = contract.field(of: pair.first)?.name,
                let second = contract.field(of: pair.second)?.name
            else { continue }
            switch (pair.demand, members.value(pair.first), members.value(pair.second)) {
            case (.notBoth, .some, .some):
                refuse(place, second, as: .value, "give \(first) or \(second), not both")
            case (.oneNeeded, nil, nil):
                refuse(place, first, as: .missing, "give \(first) or \(second)")
            default: break
            }
        }
    }
}
