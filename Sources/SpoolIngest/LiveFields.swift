import NIOHTTP1
import SpoolCore

/// The header fields that pass a live call, each way. A list, so that nothing passes because nobody
/// thought of it: no cookie, no forwarding note, no token of this daemon's.
enum LiveFields {
    /// To upstream. `Content-Length` follows from the body; without `Accept-Encoding` the answer
    /// comes as it is, and so can pass event by event.
    private static let out: Set<String> = ["accept", "content-type", "user-agent"]
    /// The caller's key.
    private static let key = "x-api-key"
    /// Back to the client; `Content-Length` follows from the body.
    private static let back: Set<String> = [
        "allow", "cache-control", "content-disposition", "content-encoding", "content-language",
        "content-type", "etag", "last-modified", "link", "location", "retry-after",
        "www-authenticate", "x-request-id",
    ]

    /// What goes out. `lentKey` takes the place of the caller's own; `token` is not one, although
    /// it comes in a key's place.
    static func toUpstream(
        _ headers: HTTPHeaders, lentKey: String?, token: AccessToken?
    ) -> [(name: String, value: String)] {
        var fields: [(name: String, value: String)] = []
        for (name, value) in headers {
            let lowercased = name.lowercased()
            let isOwnKey = lowercased == key && token?.isEqual(to: value) != true
            if out.contains(lowercased) || isOwnKey && lentKey == nil {
                fields.append((name, value))
            }
        }
        if let lentKey { fields.append(("X-API-KEY", lentKey)) }
        return fields
    }

    /// What comes back.
    static func toClient(_ headers: [(name: String, value: String)]) -> [(String, String)] {
        headers.filter { back.contains($0.name.lowercased()) }.map { ($0.name, $0.value) }
    }
}
