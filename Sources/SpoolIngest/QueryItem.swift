/// One `name=value` of a URL's query, decoded as forms are (URL Standard,
/// https://url.spec.whatwg.org/#urlencoded-parsing): `+` is a space, `%20` too.
struct QueryItem: Equatable {
    let name: String
    /// Nil when the value's bytes are not UTF-8.
    let value: String?
    /// The item as it came.
    let text: Substring

    /// The items in their order.
    static func items(in query: String) -> [QueryItem] {
        query.utf8.split(separator: UInt8(ascii: "&")).map { item in
            let parts = item.split(
                separator: UInt8(ascii: "="), maxSplits: 1, omittingEmptySubsequences: false)
            return QueryItem(
                name: decode(parts[0]) ?? "", value: parts.count == 2 ? decode(parts[1]) : "",
                text: Substring(item))
        }
    }

    private static func decode(_ text: Substring.UTF8View) -> String? {
        PercentDecoding.decode(text, plusIsSpace: true)
    }
}
