import NIOHTTP1

/// The secret that callers on TCP must know, where there is one: on a Unix socket the kernel says
/// who calls, on TCP nobody does.
public struct AccessToken: Sendable, CustomStringConvertible {
    private let secret: [UInt8]

    /// A token from its text, without the file's line break.
    public init(_ secret: String) {
        precondition(!secret.isEmpty, "an empty token lets everybody in")
        self.secret = Array(secret.utf8)
    }

    /// Nothing of the secret, wherever it may be printed.
    public var description: String { "an access token (not shown)" }

    /// Whether a request carries it: as a bearer token (RFC 6750, section 2.1), or as the API's
    /// key, because the SDKs can send nothing else.
    func isCarried(by headers: HTTPHeaders) -> Bool {
        headers["x-api-key"].contains { isEqual(to: $0) }
            || headers["authorization"].contains { field in
                let words = field.split(separator: " ", maxSplits: 1)
                return words.count == 2 && words[0].lowercased() == "bearer"
                    && isEqual(to: words[1].drop { $0 == " " })
            }
    }

    /// Compares in a time that does not tell how much of `text` is right.
    func isEqual(to text: some StringProtocol) -> Bool {
        let given = Array(text.utf8)
        var difference = given.count ^ secret.count
        for (place, byte) in secret.enumerated() {
            difference |= Int(byte ^ (place < given.count ? given[place] : 0))
        }
        return difference == 0
    }
}
