/// What makes one spool's ids its own: the database file's random epoch and secret.
///
/// A provisional id is `data_`, `pr_`, `sesh_` or `ann_` and 21 characters of `[0-9A-Za-z]`, the form of
/// upstream's own ids. The first 11 hold epoch and sequence, the last 10 a keyed check over them and the
/// prefix. So finding the event behind an id is a key lookup, and an id of another spool, or a guessed
/// one, never resolves: 10 characters are 59 bits, and every guess is a request.
public struct SpoolIdentity: Sendable {
    /// Random for each database file, 20 bits.
    public let epoch: UInt32
    private let hash: SipHash

    /// The epoch and secret as stored in the spool.
    public init(epoch: UInt32, key0: UInt64, key1: UInt64) {
        precondition(epoch < 1 << 20, "epoch \(epoch) does not fit 20 bits")
        self.epoch = epoch
        self.hash = SipHash(key0: key0, key1: key1)
    }

    // MARK: Keys

    /// The names by which events find a log.
    public enum Name: UInt64, Sendable {
        /// A `reference_id`.
        case reference = 1
        /// An id that this spool did not mint.
        case foreignID = 2
        /// A `session_reference_id`.
        case sessionReference = 3
        /// A session of this spool, by its sequence.
        case session = 4
        /// A project of this spool, by its number.
        case project = 5
    }

    /// The key of a name, from its decoded UTF-8 bytes.
    public func key(of bytes: UnsafeRawBufferPointer, named name: Name) -> ReferenceKey {
        ReferenceKey(rawValue: Int64(bitPattern: hash.hash(bytes, domain: name.rawValue)))
    }

    /// The key of a name given as a string.
    public func key(of text: String, named name: Name) -> ReferenceKey {
        var text = text
        return text.withUTF8 { key(of: UnsafeRawBufferPointer($0), named: name) }
    }

    /// The key of something this spool has numbered.
    public func key(of sequence: EventSequence, named name: Name) -> ReferenceKey {
        withUnsafeBytes(of: sequence.rawValue.littleEndian) { key(of: $0, named: name) }
    }

    /// 128 bits that tell a body from every other, under the spool's secret.
    public func digest(of bytes: UnsafeRawBufferPointer) -> Digest {
        Digest(high: hash.hash(bytes, domain: 0x20), low: hash.hash(bytes, domain: 0x21))
    }

    // MARK: Provisional ids

    /// What a provisional id stands for.
    public enum Thing: UInt64, Sendable, CaseIterable {
        case log = 0x10
        case project = 0x11
        case session = 0x12
        case feedback = 0x13

        /// The id's prefix, as upstream writes it.
        public var prefix: StaticString {
            switch self {
            case .log: "data_"
            case .project: "pr_"
            case .session: "sesh_"
            case .feedback: "ann_"
            }
        }
    }

    /// Characters of an id after its prefix.
    public static let suffixLength = 21
    private static let placeCharacters = 11
    private static let checkCharacters = 10

    /// Appends the provisional id of `thing` number `sequence`.
    public func appendID(
        _ thing: Thing, _ sequence: EventSequence, to bytes: inout [UInt8]
    ) {
        precondition(
            sequence.rawValue > 0 && sequence <= .max, "sequence \(sequence.rawValue) out of range")
        let place = UInt64(epoch) << 44 | UInt64(sequence.rawValue)
        thing.prefix.withUTF8Buffer { bytes.append(contentsOf: $0) }
        Base62.append(place, characters: Self.placeCharacters, to: &bytes)
        Base62.append(
            check(thing, place: place), characters: Self.checkCharacters, to: &bytes)
    }

    /// The provisional id of `thing` number `sequence`.
    public func id(_ thing: Thing, _ sequence: EventSequence) -> String {
        var bytes: [UInt8] = []
        appendID(thing, sequence, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The sequence a provisional id of this spool carries; nil for every other text.
    public func sequence(of thing: Thing, in text: UnsafeRawBufferPointer) -> EventSequence? {
        let prefix = thing.prefix.utf8CodeUnitCount
        guard text.count == prefix + Self.suffixLength else { return nil }
        let hasPrefix = thing.prefix.withUTF8Buffer { $0.elementsEqual(text[..<prefix]) }
        guard hasPrefix else { return nil }
        let middle = prefix + Self.placeCharacters
        guard
            let place = Base62.value(text[prefix..<middle]),
            let check = Base62.value(text[middle...])
        else { return nil }
        guard check == self.check(thing, place: place) else { return nil }
        guard place >> 44 == UInt64(epoch) else { return nil }
        return EventSequence(rawValue: Int64(place & ((1 << 44) - 1)))
    }

    /// The sequence a provisional id of this spool carries; nil for every other text.
    public func sequence(of thing: Thing, in text: String) -> EventSequence? {
        var text = text
        return text.withUTF8 { sequence(of: thing, in: UnsafeRawBufferPointer($0)) }
    }

    private func check(_ thing: Thing, place: UInt64) -> UInt64 {
        withUnsafeBytes(of: place.littleEndian) {
            hash.hash($0, domain: thing.rawValue) % Base62.range(characters: Self.checkCharacters)
        }
    }
}

/// A keyed 128-bit hash of an event's bytes as they came: by it a repeated request is recognised.
public struct Digest: Hashable, Sendable {
    /// The upper half.
    public let high: UInt64
    /// The lower half.
    public let low: UInt64

    /// A digest read back from the spool, or computed.
    public init(high: UInt64, low: UInt64) {
        self.high = high
        self.low = low
    }
}

/// Fixed-width numbers in the digits of upstream's ids.
enum Base62 {
    private static let digits: StaticString =
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

    /// How many values `characters` digits can tell apart.
    static func range(characters: Int) -> UInt64 {
        (0..<characters).reduce(1) { value, _ in value * 62 }
    }

    /// Appends `value`, most significant digit first, padded with zeros.
    static func append(_ value: UInt64, characters: Int, to bytes: inout [UInt8]) {
        let start = bytes.count
        var rest = value
        bytes.append(contentsOf: repeatElement(UInt8(ascii: "0"), count: characters))
        for place in stride(from: start + characters - 1, through: start, by: -1) {
            bytes[place] = digits.utf8Start[Int(rest % 62)]
            rest /= 62
        }
        precondition(rest == 0, "\(value) does not fit \(characters) base-62 digits")
    }

    /// The value of fixed-width digits; nil when one is no digit or the value does not fit.
    static func value(_ text: Slice<UnsafeRawBufferPointer>) -> UInt64? {
        var value: UInt64 = 0
        for byte in text {
            let digit: UInt8
            switch byte {
            case UInt8(ascii: "0")...UInt8(ascii: "9"): digit = byte - UInt8(ascii: "0")
            case UInt8(ascii: "A")...UInt8(ascii: "Z"): digit = byte - UInt8(ascii: "A") + 10
            case UInt8(ascii: "a")...UInt8(ascii: "z"): digit = byte - UInt8(ascii: "a") + 36
            default: return nil
            }
            let (product, overflowed) = value.multipliedReportingOverflow(by: 62)
            guard !overflowed else { return nil }
            let (sum, carried) = product.addingReportingOverflow(UInt64(digit))
            guard !carried else { return nil }
            value = sum
        }
        return value
    }
}
