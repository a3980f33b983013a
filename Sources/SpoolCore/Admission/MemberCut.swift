/// Members that do not travel, taken out of an object's text so that what is left is still an
/// object: with each goes one comma beside it.
struct MemberCut {
    /// What is left out, in the order of the text, none touching another.
    private(set) var ranges: [Range<Int>] = []

    /// Nothing is cut.
    init() {}

    /// Cuts the members of one object that end with these values. No key of them may hold a quote,
    /// however it is escaped.
    init(_ values: [JSONSlice], of bytes: UnsafeRawBufferPointer) {
        for value in values.sorted(by: { $0.range.lowerBound < $1.range.lowerBound }) {
            ranges.append(range(ofMemberWith: value, bytes))
        }
    }

    /// The member and the comma before it; where there is none any more, the comma behind it.
    private func range(
        ofMemberWith value: JSONSlice, _ bytes: UnsafeRawBufferPointer
    ) -> Range<Int> {
        let (quote, comma) = (UInt8(ascii: "\""), UInt8(ascii: ","))
        guard let closing = bytes[..<value.range.lowerBound].lastIndex(of: quote),
            let opening = bytes[..<closing].lastIndex(of: quote),
            let before = bytes[..<opening].lastIndex(where: { $0 > 0x20 })
        else { preconditionFailure("no key before byte \(value.range.lowerBound)") }
        let end = value.range.upperBound
        let isCut = ranges.last.map { before < $0.upperBound } ?? false
        if bytes[before] == comma, !isCut { return before..<end }
        guard let after = bytes[end...].firstIndex(where: { $0 > 0x20 }), bytes[after] == comma
        else { return opening..<end }
        return opening..<(after + 1)
    }

    /// Appends a stretch of the text without what is cut. No cut may lie across its ends.
    func append(
        _ stretch: Range<Int>, of bytes: UnsafeRawBufferPointer, to result: inout [UInt8]
    ) {
        var copied = stretch.lowerBound
        for range in ranges where stretch.contains(range.lowerBound) {
            result.append(contentsOf: bytes[copied..<range.lowerBound])
            copied = range.upperBound
        }
        result.append(contentsOf: bytes[copied..<stretch.upperBound])
    }
}
