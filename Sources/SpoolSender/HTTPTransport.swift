internal import AsyncHTTPClient
public import NIOCore
internal import NIOHTTP1
public import SpoolCore
internal import Synchronization

/// Deliveries, and questions about them, over HTTP/1.1 with keep-alive.
///
/// **What counts as written.** The client reports a request's head once it was handed to the socket
/// (`didSendRequestHead`), and writes no byte of the body before. So a failure without that report
/// cannot have been applied, and every later one may have been. The client never sends a request twice
/// by itself: redirects are not followed, and its own retry, of connecting alone, is off.
public final class HTTPTransport: Transport {
    private let client: HTTPClient
    /// Runs all connections: with one loop, a connection is free again before its answer is reported,
    /// so that the next request finds it.
    private let loop: any EventLoop
    private let address: UpstreamAddress
    private let headers: HTTPHeaders

    /// A transport to one destination.
    ///
    /// - Parameters:
    ///   - key: sent as `X-API-KEY`; it appears in no description and no error.
    ///   - version: of this program, for `User-Agent`.
    ///   - inFlightMax: deliveries under way at most; as many questions may be beside them, and each
    ///     has a connection.
    ///   - group: runs the connections; outlives the transport.
    /// - Throws: when the address is no URL after all, or the key no header value.
    public init(
        to address: UpstreamAddress, key: String?, version: String,
        inFlightMax: Int = Limits.inFlightMax, on group: any EventLoopGroup
    ) throws(UpstreamAddressError) {
        guard (try? HTTPClient.Request(url: address.prefix + "/logs")) != nil else {
            throw UpstreamAddressError(address.description, "this is not a URL")
        }
        guard key?.utf8.allSatisfy({ (0x21...0x7E).contains($0) }) ?? true else {
            throw UpstreamAddressError(
                address.description,
                "the API key holds bytes that no header can: look for a newline in it")
        }
        self.client = HTTPClient(
            eventLoopGroup: group, configuration: .upstream(connectionsMax: 2 * inFlightMax))
        self.loop = group.next()
        self.address = address
        var headers = HTTPHeaders([
            ("Accept", "application/json"), ("User-Agent", "loopspool/\(version)"),
        ])
        if let host = address.host { headers.add(name: "Host", value: host) }
        if let key { headers.add(name: "X-API-KEY", value: key) }
        self.headers = headers
    }

    /// Performs one exchange; `done` runs on an event loop of the group.
    public func exchange(
        _ request: UpstreamRequest, _ done: @escaping @Sendable (UpstreamOutcome) -> Void
    ) {
        var headers = headers
        var body: HTTPClient.Body?
        if !request.body.isEmpty {
            headers.add(name: "Content-Type", value: "application/json")
            body = .byteBuffer(ByteBuffer(bytes: request.body))
        }
        let prepared: HTTPClient.Request
        do {
            prepared = try HTTPClient.Request(
                url: address.prefix + request.target, method: HTTPMethod(rawValue: request.method),
                headers: headers, body: body)
        } catch {
            return done(.notSent(reason: "\(address)\(request.target) is no URL: \(error)"))
        }
        let exchange = Exchange(timeout: TimeAmount(request.timeout))
        let task = client.execute(
            request: prepared, delegate: exchange, eventLoop: .delegate(on: loop))
        task.futureResult.whenComplete { [address] result in
            done(exchange.outcome(of: result, at: address))
        }
    }

    /// Closes all connections. No exchange may be under way or follow.
    public func shutdown() async throws {
        try await client.shutdown()
    }
}

/// One exchange: notes how far it came, reads the answer, keeps the time.
private final class Exchange: HTTPClientResponseDelegate {
    typealias Response = UpstreamAnswer

    private enum Failure: Error {
        case answerTimeout
        case answerTooLong
        case noHead
    }

    private struct State {
        var isWritten = false
        var answer: UpstreamAnswer?
        var timer: Scheduled<Void>?
    }

    private let timeout: TimeAmount
    private let state = Mutex(State())

    init(timeout: TimeAmount) {
        self.timeout = timeout
    }

    func didSendRequestHead(task: HTTPClient.Task<UpstreamAnswer>, _ head: HTTPRequestHead) {
        let timer = task.eventLoop.scheduleTask(in: timeout) {
            task.fail(reason: Failure.answerTimeout)
        }
        state.withLock { state in
            state.isWritten = true
            state.timer = timer
        }
    }

    func didReceiveHead(
        task: HTTPClient.Task<UpstreamAnswer>, _ head: HTTPResponseHead
    ) -> EventLoopFuture<Void> {
        let answer = UpstreamAnswer(
            status: Int(head.status.code), retryAfter: head.headers.first(name: "Retry-After"))
        state.withLock { $0.answer = answer }
        return task.eventLoop.makeSucceededVoidFuture()
    }

    func didReceiveBodyPart(
        task: HTTPClient.Task<UpstreamAnswer>, _ part: ByteBuffer
    ) -> EventLoopFuture<Void> {
        let isTooLong = state.withLock { state in
            let room = Limits.answerBytesMax - (state.answer?.body.count ?? 0)
            part.withUnsafeReadableBytes { bytes in
                let fitting = UnsafeRawBufferPointer(rebasing: bytes.prefix(room))
                state.answer?.body.append(contentsOf: fitting)
            }
            return part.readableBytes > room
        }
        return isTooLong
            ? task.eventLoop.makeFailedFuture(Failure.answerTooLong)
            : task.eventLoop.makeSucceededVoidFuture()
    }

    func didFinishRequest(task: HTTPClient.Task<UpstreamAnswer>) throws -> UpstreamAnswer {
        guard let answer = state.withLock({ $0.answer }) else { throw Failure.noHead }
        return answer
    }

    /// What came of it.
    func outcome(
        of result: Result<UpstreamAnswer, any Error>, at address: UpstreamAddress
    ) -> UpstreamOutcome {
        let state = state.withLock { state in
            state.timer?.cancel()
            return state
        }
        switch result {
        case .success(let answer):
            return .answered(answer)
        case .failure(let error):
            guard state.isWritten else {
                return .notSent(reason: "cannot reach \(address): \(ConnectionWords.of(error))")
            }
            // A status with too long a body is an answer still; only its body is of no use.
            if case Failure.answerTooLong = error, let answer = state.answer {
                return .answered(answer)
            }
            // Upstream had answered before it had read all, and reads no more.
            if (error as? HTTPClientError) == .requestStreamCancelled, let answer = state.answer,
                answer.status >= 300
            {
                return .answered(answer)
            }
            if case Failure.answerTimeout = error {
                return .noAnswer(
                    reason: "\(address) did not answer within \(timeout)", timedOut: true)
            }
            return .noAnswer(
                reason: "\(address) broke off: \(ConnectionWords.of(error))", timedOut: false)
        }
    }
}
