/// Where upstream is: a base URL as the SDKs take it, or a Unix socket.
public struct UpstreamAddress: Sendable, Hashable, CustomStringConvertible {
    /// The address without trailing slashes, in a form that is the same for the same upstream.
    public let description: String
    /// What stands before a request's target.
    let prefix: String
    /// The `Host` header, where the URL says nothing that could be one.
    let host: String?

    /// Reads `http://HOST[:PORT][/PATH]`, `https://…` or `unix:/PATH`.
    ///
    /// The path is kept as it is: `/logs` is appended to it. Trailing slashes do not count.
    public init(_ text: String) throws(UpstreamAddressError) {
        if text.hasPrefix("unix:") {
            self = try UpstreamAddress(socket: String(text.dropFirst("unix:".count)))
        } else {
            self = try UpstreamAddress(url: text)
        }
    }

    private init(socket path: String) throws(UpstreamAddressError) {
        guard path.hasPrefix("/"), path.utf8.count > 1 else {
            throw UpstreamAddressError("unix:\(path)", "the socket's path must be absolute")
        }
        guard path.utf8.count <= Self.socketPathBytesMax else {
            throw UpstreamAddressError(
                "unix:\(path)",
                "a socket's path has at most \(Self.socketPathBytesMax) bytes: use a shorter one")
        }
        description = "unix:\(path)"
        prefix = "http+unix://\(PercentEncoding.encoded(path))"
        host = "localhost"
    }

    private init(url text: String) throws(UpstreamAddressError) {
        let parts = text.split(separator: "://", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2 else {
            throw UpstreamAddressError(
                text, "expected http://HOST[:PORT][/PATH], https://… or unix:/PATH")
        }
        let scheme = parts[0].lowercased()
        guard scheme == "http" || scheme == "https" else {
            throw UpstreamAddressError(text, "the scheme is not http, https or unix")
        }
        // By bytes, as whoever reads the URL next: a combining mark hides a delimiter from Character.
        guard !parts[1].utf8.contains(where: { "?#".utf8.contains($0) }) else {
            throw UpstreamAddressError(text, "a base URL has no query and no fragment")
        }
        let slash = parts[1].utf8.firstIndex(of: UInt8(ascii: "/")) ?? parts[1].endIndex
        let authority = parts[1][..<slash]
        guard !authority.utf8.contains(UInt8(ascii: "@")) else {
            throw UpstreamAddressError(
                text,
                "it holds a user name or password: put the key in LOOPSPOOL_API_KEY")
        }
        guard !authority.isEmpty, authority.first != ":" else {
            throw UpstreamAddressError(text, "the host is missing")
        }
        if let flaw = Self.flaw(inPortOf: authority) { throw UpstreamAddressError(text, flaw) }
        var path = parts[1][slash...]
        while path.last == "/" { path.removeLast() }
        prefix = "\(scheme)://\(authority.lowercased())\(PercentEncoding.encodedPath(String(path)))"
        description = prefix
        host = nil
    }

    /// What is wrong with the port, where one is given; whoever opens the connection takes it as it is.
    private static func flaw(inPortOf authority: Substring) -> String? {
        let bytes = authority.utf8
        let isBracketed = bytes.first == UInt8(ascii: "[")
        let start = isBracketed ? bytes.firstIndex(of: UInt8(ascii: "]")) : bytes.startIndex
        guard let start else { return "the bracket around the IPv6 address is not closed" }
        guard let colon = bytes[start...].firstIndex(of: UInt8(ascii: ":")) else { return nil }
        let port = bytes[bytes.index(after: colon)...]
        if !isBracketed, port.contains(UInt8(ascii: ":")) {
            return "an IPv6 address goes into brackets: http://[::1]:8080/v4"
        }
        let isNumber = port.allSatisfy { (UInt8(ascii: "0")...UInt8(ascii: "9")).contains($0) }
        guard isNumber, let number = Int(Substring(port)), (1...65_535).contains(number) else {
            return "the port must be a number from 1 to 65535, not '\(Substring(port))'"
        }
        return nil
    }

    /// `sun_path` without its final zero byte (unix(7)).
    private static let socketPathBytesMax = 107
}

/// A base URL that cannot be used.
public struct UpstreamAddressError: Error, Sendable, CustomStringConvertible {
    /// What was given, why it cannot be used, and what to do.
    public let description: String

    /// An error about `address`.
    init(_ address: String, _ reason: String) {
        // Before an @ there may be a password, whatever else is wrong.
        let shown = address.utf8.contains(UInt8(ascii: "@")) ? "(not shown)" : address
        description = "upstream address \(shown): \(reason)"
    }
}
