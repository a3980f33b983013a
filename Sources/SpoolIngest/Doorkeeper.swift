import NIOHTTP1
import SpoolServer

/// Who may knock, judged from a request's head: no page of a foreign site, by whatever name it
/// reaches this machine, on TCP nobody without the token where there is one, and no body that is
/// not plain JSON.
struct Doorkeeper: Sendable {
    /// Names besides the loopback ones under which the daemon is reached, in lower case, without
    /// port.
    private let hosts: Set<String>
    /// What is asked of callers on TCP.
    private let tcpToken: AccessToken?

    init(hosts: [String], tcpToken: AccessToken?) {
        self.hosts = Set(hosts.map { $0.lowercased() })
        self.tcpToken = tcpToken
    }

    /// The answer to a request that may not come in; nil for one that may.
    ///
    /// On TCP the `Host` must be a loopback name: a page whose name was pointed at 127.0.0.1 (DNS
    /// rebinding) still sends its own. A browser says with `Origin` and `Sec-Fetch-Site` whose page
    /// asks.
    func refusal(of headers: HTTPHeaders, peer: Peer) -> HTTPAnswer? {
        if peer.transport == .tcp, let host = headers["host"].first(where: { !isOurs($0[...]) }) {
            return .detail(
                status: 403,
                "Host \(host.prefix(100)) is no loopback name; use 127.0.0.1, localhost or the "
                    + "daemon's Unix socket")
        }
        let isForeign =
            headers["origin"].contains { !isOurs(origin: $0) }
            || headers["sec-fetch-site"].contains { $0.lowercased() == "cross-site" }
        if isForeign {
            return .detail(
                status: 403,
                "pages of other sites may not send events; send them from a program on this "
                    + "machine")
        }
        guard peer.transport == .tcp, let tcpToken, !tcpToken.isCarried(by: headers) else {
            return nil
        }
        var answer = HTTPAnswer.detail(
            status: 401,
            "this port asks for the daemon's token: send it as Authorization: Bearer TOKEN or as "
                + "X-API-KEY, or use the daemon's Unix socket, which asks for none")
        answer.headers.append(("WWW-Authenticate", "Bearer"))
        return answer
    }

    /// The answer to a body in a form that is not read; nil for JSON without content coding, for a
    /// body whose type is not said, and for no body.
    static func refusal(ofBody headers: HTTPHeaders, bytes: Int) -> HTTPAnswer? {
        guard bytes > 0 else { return nil }
        if headers["content-encoding"].contains(where: { !$0.isIdentity }) {
            return .detail(status: 415, "send the body without Content-Encoding")
        }
        if let type = headers["content-type"].first(where: { !$0.isJSONType }) {
            return .detail(
                status: 415, "Content-Type \(type.prefix(100)) is not read; send application/json")
        }
        return nil
    }

    private func isOurs(origin: String) -> Bool {
        let parts = origin.split(separator: "/", maxSplits: 2, omittingEmptySubsequences: false)
        guard parts.count == 3, parts[0].last == ":", parts[1].isEmpty else { return false }
        return isOurs(parts[2])
    }

    /// Whether an authority, `name` or `name:port`, is a loopback name or a listed one.
    private func isOurs(_ authority: Substring) -> Bool {
        var name = authority
        if let colon = name.lastIndex(of: ":"), !name.hasSuffix("]") {
            let port = name[name.index(after: colon)...]
            guard port.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else { return false }
            name = name[..<colon]
        }
        if name.hasSuffix(".") { name = name.dropLast() }
        if name == "127.0.0.1" { return true }
        let lowercased = name.lowercased()
        return lowercased == "localhost" || lowercased == "[::1]" || hosts.contains(lowercased)
            || Self.isLoopbackAddress(name)
    }

    /// Whether a name is an IPv4 address of 127.0.0.0/8 in its usual form.
    private static func isLoopbackAddress(_ name: Substring) -> Bool {
        let numbers = name.split(separator: ".", omittingEmptySubsequences: false)
        return numbers.count == 4 && numbers[0] == "127"
            && numbers.allSatisfy { UInt8($0) != nil && $0.first != "+" }
    }
}

extension String {
    /// Whether a `Content-Encoding` changes nothing.
    fileprivate var isIdentity: Bool { isEmpty || lowercased() == "identity" }

    /// Whether a `Content-Type` is `application/json` or `…+json`, with any parameters. An empty
    /// one says nothing.
    fileprivate var isJSONType: Bool {
        if self == "application/json" { return true }
        let type = (split(separator: ";", maxSplits: 1).first ?? "").lowercased()
        let trimmed = type.split(whereSeparator: \.isWhitespace).joined(separator: " ")
        return trimmed.isEmpty || trimmed == "application/json" || trimmed.hasSuffix("+json")
    }
}
