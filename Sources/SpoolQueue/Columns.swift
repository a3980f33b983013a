internal import SpoolCore

/// The `causes` column: a tag and eight bytes a cause.
enum CauseList {
    private static let referenceTag: UInt8 = 1
    private static let eventTag: UInt8 = 2
    private static let sessionTag: UInt8 = 3
    private static let projectTag: UInt8 = 4

    static func encode(_ causes: [Cause]) -> [UInt8] {
        var bytes: [UInt8] = []
        for cause in causes {
            let (tag, value) =
                switch cause {
                case .reference(let key): (referenceTag, key.rawValue)
                case .event(let sequence): (eventTag, sequence.rawValue)
                case .session(let sequence): (sessionTag, sequence.rawValue)
                case .project(let number): (projectTag, number.rawValue)
                }
            bytes.append(tag)
            bytes.append(integer: value)
        }
        return bytes
    }

    /// Throws ``QueueError/damaged(_:_:)`` for what is no such list.
    static func decode(_ bytes: UnsafeRawBufferPointer) throws -> [Cause] {
        guard bytes.count % 9 == 0 else { throw damage("\(bytes.count) bytes") }
        return try stride(from: 0, to: bytes.count, by: 9).map { start in
            let value = bytes.integer(at: start + 1)
            switch bytes[start] {
            case referenceTag: return .reference(ReferenceKey(rawValue: value))
            case eventTag: return .event(EventSequence(rawValue: value))
            case sessionTag: return .session(EventSequence(rawValue: value))
            case projectTag: return .project(EventSequence(rawValue: value))
            default: throw damage("the tag \(bytes[start])")
            }
        }
    }

    private static func damage(_ what: String) -> QueueError {
        .damaged("the table `event`", "a list of causes has \(what)")
    }
}

/// The `events` column of `lease`.
enum SequenceList {
    static func encode(_ sequences: [EventSequence]) -> [UInt8] {
        var bytes: [UInt8] = []
        bytes.reserveCapacity(sequences.count * 8)
        for sequence in sequences { bytes.append(integer: sequence.rawValue) }
        return bytes
    }

    static func decode(_ bytes: UnsafeRawBufferPointer) -> [EventSequence] {
        stride(from: 0, to: bytes.count & ~7, by: 8).map {
            EventSequence(rawValue: bytes.integer(at: $0))
        }
    }
}

extension Digest {
    /// As the `digest` column stores it.
    var bytes: [UInt8] {
        var bytes: [UInt8] = []
        bytes.append(integer: Int64(bitPattern: high))
        bytes.append(integer: Int64(bitPattern: low))
        return bytes
    }

    /// Reads a column; nil when it is NULL, or the zeros of an entry without a digest.
    init?(_ bytes: UnsafeRawBufferPointer, at offset: Int = 0) {
        guard bytes.count >= offset + 16 else { return nil }
        let high = UInt64(bitPattern: bytes.integer(at: offset))
        let low = UInt64(bitPattern: bytes.integer(at: offset + 8))
        if high == 0, low == 0 { return nil }
        self.init(high: high, low: low)
    }
}

extension [UInt8] {
    /// Appends eight bytes, little endian.
    mutating func append(integer value: Int64) {
        Swift.withUnsafeBytes(of: value.littleEndian) { append(contentsOf: $0) }
    }
}

extension UnsafeRawBufferPointer {
    /// Eight bytes, little endian.
    func integer(at offset: Int) -> Int64 {
        Int64(littleEndian: loadUnaligned(fromByteOffset: offset, as: Int64.self))
    }
}
