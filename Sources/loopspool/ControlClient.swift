import AsyncHTTPClient
import NIOCore
import NIOHTTP1
import SpoolCore

/// Talks to a running daemon over one of its Unix sockets.
struct ControlClient {
    let socket: String

    /// A JSON answer.
    struct Answer {
        let status: Int
        let body: [UInt8]
    }

    /// How long an answer is waited for that the daemon has ready, and one that takes a walk through the
    /// spool, on a disk that may be slow.
    static let patience = Duration.seconds(30)
    static let longPatience = Duration.seconds(600)

    /// Performs one request.
    ///
    /// - Throws: ``DaemonUnreachable`` when nobody answers there, ``DaemonSilent`` when the answer has not
    ///   come within `patience`.
    func request(
        _ method: String, _ target: String, body: [UInt8]? = nil,
        patience: Duration = ControlClient.patience
    ) async throws -> Answer {
        var request = HTTPClientRequest(url: "http+unix://\(encoded(socket))\(target)")
        request.method = .RAW(value: method)
        request.headers.add(name: "Host", value: "localhost")
        if let body {
            request.headers.add(name: "Content-Type", value: "application/json")
            request.body = .bytes(body)
        }
        let client = HTTPClient(
            eventLoopGroupProvider: .singleton, configuration: Self.configuration)
        let result: Result<Answer, any Error>
        do {
            let answer = try await client.execute(request, timeout: TimeAmount(patience))
            let buffer = try await answer.body.collect(upTo: Limits.bodyBytesMax)
            result = .success(
                Answer(status: Int(answer.status.code), body: Array(buffer.readableBytesView)))
        } catch {
            result = .failure(error)
        }
        try? await client.shutdown()
        do {
            return try result.get()
        } catch let error as HTTPClientError where error == .deadlineExceeded {
            throw DaemonSilent(socket: socket, patience: patience)
        } catch {
            throw DaemonUnreachable(socket: socket, words: ConnectionWords.of(error))
        }
    }

    /// A socket that nobody listens on is said at once, not tried again for half a minute.
    private static var configuration: HTTPClient.Configuration {
        var configuration = HTTPClient.Configuration()
        configuration.connectionPool.retryConnectionEstablishment = false
        return configuration
    }

    /// The socket's path as a URL's host.
    private func encoded(_ path: String) -> String {
        path.utf8.map { byte in
            let isPlain =
                (0x30...0x39).contains(byte) || (0x41...0x5a).contains(byte)
                || (0x61...0x7a).contains(byte) || byte == 0x2d || byte == 0x2e || byte == 0x5f
            let hex = String(byte, radix: 16, uppercase: true)
            return isPlain ? String(UnicodeScalar(byte)) : "%" + (byte < 16 ? "0" : "") + hex
        }.joined()
    }
}

/// Nobody answers on a daemon's socket.
struct DaemonUnreachable: Error, CustomStringConvertible {
    let socket: String
    let words: String

    var description: String {
        """
        No daemon answers on \(socket) (\(words)). Start one with 'loopspool run', or name its \
        --runtime-dir.
        """
    }
}

/// A daemon has been asked, and has not answered in time.
struct DaemonSilent: Error, CustomStringConvertible {
    let socket: String
    let patience: Duration

    var description: String {
        """
        The daemon has not answered on \(socket) for \(patience.components.seconds) s; it may still be \
        doing what it was asked to. See 'loopspool status', and ask again later.
        """
    }
}
