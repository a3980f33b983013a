/// An id in the form of the hosted service's own: a prefix and 21 characters of `[0-9A-Za-z]`.
///
/// All 21 are random, 125 bits: an id cannot be guessed, and no two logs ever get the same.
enum ArchiveID {
    /// What ids are given to.
    enum Prefix: String {
        case log = "data_"
        case project = "pr_"
        case session = "sesh_"
        case feedback = "ann_"
        case config = "config_"
        case result = "evr_"
        /// The archive itself.
        case archive = "arch_"
        /// The archive as the owner of its projects.
        case team = "tm_"
    }

    /// Characters after the prefix.
    static let suffixLength = 21

    /// A fresh id.
    static func mint(_ prefix: Prefix, using random: inout some RandomNumberGenerator) -> String {
        var characters = Array(prefix.rawValue.utf8)
        characters.reserveCapacity(characters.count + suffixLength)
        for _ in 0..<(suffixLength / drawLength) {
            var rest = UInt64.random(in: 0..<drawRange, using: &random)
            for _ in 0..<drawLength {
                characters.append(digits[Int(rest % 62)])
                rest /= 62
            }
        }
        return String(decoding: characters, as: UTF8.self)
    }

    /// The same suffix under another prefix, for what lives and dies with a log.
    static func rename(_ id: String, from old: Prefix, to new: Prefix) -> String {
        new.rawValue + id.dropFirst(old.rawValue.count)
    }

    /// Seven characters fit one draw of 64 bits, three draws make an id.
    private static let drawLength = 7
    private static let drawRange: UInt64 = 62 * 62 * 62 * 62 * 62 * 62 * 62
    private static let digits = Array(
        "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz".utf8)
}
