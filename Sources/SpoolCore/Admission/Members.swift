/// What one pass over an object found of the keys that the daemon reads. Ranges only: reading a
/// body of usual form allocates nothing.
struct Members {
    /// A key whose value is null, which a stamp may replace.
    struct Null {
        let role: Contract.Role
        let range: Range<Int>
    }

    /// The object's bytes, braces included.
    var range: Range<Int>
    /// Whether it has no member at all, so that nothing follows what is put in front.
    var isEmpty = true
    /// Keys with a role whose value is null, in the order of the text.
    var nulls: [Null] = []
    /// The `data_id`s of feedback inside a log.
    var inlineTargets: [JSONSlice] = []
    private var slices = InlineArray<24, JSONSlice?>(repeating: nil)

    init(at offset: Int) {
        precondition(Contract.Role.allCases.count <= slices.count, "more roles than places")
        self.range = offset..<offset
    }

    /// Whether a key with this role occurred, be it with null.
    func has(_ role: Contract.Role) -> Bool { slices[Int(role.rawValue)] != nil }

    /// The value, when it is there and not null.
    func value(_ role: Contract.Role) -> JSONSlice? {
        guard let slice = slices[Int(role.rawValue)], slice.kind != .null else { return nil }
        return slice
    }

    /// The value, when it is a string.
    func string(_ role: Contract.Role) -> JSONSlice? {
        guard let slice = slices[Int(role.rawValue)], slice.kind == .string else { return nil }
        return slice
    }

    /// Notes the first value found for a role.
    mutating func note(_ slice: JSONSlice, as role: Contract.Role) {
        slices[Int(role.rawValue)] = slice
        if slice.kind == .null { nulls.append(Null(role: role, range: slice.range)) }
    }
}

extension JSONText {
    /// Calls `body` with the UTF-8 that a string value stands for; copies only where there are
    /// escapes.
    static func withContent<Result>(
        _ bytes: UnsafeRawBufferPointer, _ slice: JSONSlice,
        _ body: (UnsafeRawBufferPointer) -> Result
    ) -> Result {
        guard slice.hasEscapes else {
            let content = (slice.range.lowerBound + 1)..<(slice.range.upperBound - 1)
            return body(UnsafeRawBufferPointer(rebasing: bytes[content]))
        }
        var decoded = JSONText.string(bytes, slice)
        return decoded.withUTF8 { body(UnsafeRawBufferPointer($0)) }
    }
}
