import NIOHTTP1

extension HTTPRequestHead {
    /// The same head with its target as `/path?query`. A target in absolute form is what proxies
    /// get, and every server must understand it; its authority replaces `Host` (RFC 9112, section
    /// 3.2.2).
    func inOriginForm() -> HTTPRequestHead {
        guard uri.utf8.first != UInt8(ascii: "/"), method != .CONNECT,
            let colon = uri.utf8.firstIndex(of: UInt8(ascii: ":"))
        else { return self }
        // By bytes: a combining mark would hide a delimiter from Character.
        let rest = uri.utf8[colon...].dropFirst()
        guard rest.starts(with: "//".utf8) else { return self }
        let afterSlashes = rest.dropFirst(2)
        let end = afterSlashes.firstIndex { "/?#".utf8.contains($0) } ?? afterSlashes.endIndex
        let target = String(Substring(afterSlashes[end...]))
        var head = self
        head.uri = target.utf8.first == UInt8(ascii: "/") ? target : "/" + target
        head.headers.replaceOrAdd(name: "Host", value: String(Substring(afterSlashes[..<end])))
        return head
    }
}
