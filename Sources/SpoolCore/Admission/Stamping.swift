/// What is added to an event that lacks it. Spliced into the caller's bytes: behind the brace, or
/// in place of a null, so that no key ever occurs twice.
struct Stamping {
    var reference: MintedReference?
    var createdAt: Timestamp?
    /// A JSON string.
    var project: [UInt8]?

    private static let order: [Contract.Role] = [.reference, .createdAt, .project]

    /// Appends the object with its stamps.
    ///
    /// - Returns: where in `bytes` the minted reference's characters lie; nil without one.
    func append(
        _ source: UnsafeRawBufferPointer, _ members: Members, to bytes: inout [UInt8]
    ) -> Range<Int>? {
        var minted: Range<Int>?
        var isFirst = true
        bytes.append(UInt8(ascii: "{"))
        for role in Self.order where adds(role) && !members.has(role) {
            if !isFirst { bytes.append(UInt8(ascii: ",")) }
            isFirst = false
            appendKey(role, to: &bytes)
            appendValue(role, to: &bytes, minted: &minted)
        }
        if !isFirst, !members.isEmpty { bytes.append(UInt8(ascii: ",")) }
        var copied = members.range.lowerBound + 1
        for null in members.nulls where adds(null.role) {
            bytes.append(contentsOf: source[copied..<null.range.lowerBound])
            appendValue(null.role, to: &bytes, minted: &minted)
            copied = null.range.upperBound
        }
        bytes.append(contentsOf: source[copied..<members.range.upperBound])
        return minted
    }

    private func adds(_ role: Contract.Role) -> Bool {
        switch role {
        case .reference: reference != nil
        case .createdAt: createdAt != nil
        case .project: project != nil
        default: false
        }
    }

    private func appendKey(_ role: Contract.Role, to bytes: inout [UInt8]) {
        switch role {
        case .reference: bytes.append(contentsOf: "\"reference_id\":".utf8)
        case .createdAt: bytes.append(contentsOf: "\"created_at\":".utf8)
        default: bytes.append(contentsOf: "\"project\":".utf8)
        }
    }

    private func appendValue(
        _ role: Contract.Role, to bytes: inout [UInt8], minted: inout Range<Int>?
    ) {
        if role == .project { return bytes.append(contentsOf: project ?? []) }
        bytes.append(UInt8(ascii: "\""))
        let start = bytes.count
        if role == .reference, let reference {
            reference.append(to: &bytes)
            minted = start..<bytes.count
        } else if let createdAt {
            DateTime.append(createdAt, to: &bytes)
        }
        bytes.append(UInt8(ascii: "\""))
    }
}
