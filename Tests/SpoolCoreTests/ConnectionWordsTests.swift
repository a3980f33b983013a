import Testing

@testable import SpoolCore

@Suite("Why a connection failed")
struct ConnectionWordsTests {
    private struct Told: Error, CustomStringConvertible {
        let description: String
    }

    @Test(
        "is said as the system says it, without the library's own words",
        arguments: [
            (
                "connection reset (error set): Connection refused) (errno: 111)",
                "connection refused"
            ),
            (
                "connect(descriptor:addr:size:): No such file or directory) (errno: 2)",
                "no such file or directory"
            ),
            (
                "read(descriptor:pointer:size:): Connection reset by peer) (errno: 104)",
                "connection reset by peer"
            ),
            (
                "DNS error: SocketAddressError.UnknownHost: Name or service not known",
                "its name cannot be resolved"
            ),
            ("HTTPClientError.connectTimeout", "no connection came about in time"),
            ("HTTPClientError.remoteConnectionClosed", "it closed the connection"),
            ("something else: entirely", "something else: entirely"), ("", ""),
            (") (errno: 5)", ") (errno: 5)"),
        ])
    func words(error: String, words: String) {
        #expect(ConnectionWords.of(Told(description: error)) == words)
    }
}
