import Dispatch
import NIOCore
import SpoolServer

/// Holds a thread until it is opened.
final class Gate: Sendable {
    private let semaphore = DispatchSemaphore(value: 0)

    func open() { semaphore.signal() }

    func wait() { semaphore.wait() }
}

extension HTTPRequest {
    /// A `POST /logs` with this body.
    static func log(_ body: String) -> HTTPRequest {
        HTTPRequest(method: "POST", path: "/logs", body: ByteBuffer(string: body), peer: .tcp)
    }
}
