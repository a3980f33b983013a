/// Why a connection failed, as people say it.
public enum ConnectionWords {
    /// The reason within what the network library says of an error: the system's own words where an errno is
    /// named, others where they are known, else all of it.
    public static func of(_ error: any Error) -> String { reason(in: "\(error)") }

    static func reason(in text: String) -> String {
        for (mark, words) in known where text.contains(mark) { return words }
        // "connect(descriptor:addr:size:): No such file or directory) (errno: 2)"
        let parts = text.split(separator: ") (errno: ", omittingEmptySubsequences: false)
        guard parts.count > 1, let words = parts[parts.count - 2].split(separator: ": ").last,
            let first = words.first
        else { return text }
        return first.lowercased() + words.dropFirst()
    }

    private static let known = [
        ("SocketAddressError.UnknownHost", "its name cannot be resolved"),
        ("HTTPClientError.connectTimeout", "no connection came about in time"),
        ("HTTPClientError.remoteConnectionClosed", "it closed the connection"),
    ]
}
