import NIOCore
import SpoolCore
import Synchronization

/// A request's body as it comes: the application asks, and only then the socket is read further.
final class HTTPBodyStream: ByteStream {
    private let connection: NIOLoopBound<HTTPConnection>
    private let loop: any EventLoop
    private let handover = Mutex(StreamHandover())

    /// The body of the request that `connection` has begun to read on `loop`.
    init(of connection: NIOLoopBound<HTTPConnection>, on loop: any EventLoop) {
        self.connection = connection
        self.loop = loop
    }

    /// Gives `part` to the reader, or keeps it until it asks. On the loop. Returns whether more may
    /// be read.
    func offer(_ part: StreamPart) -> Bool {
        switch handover.withLock({ $0.offer(part) }) {
        case .give(let reader):
            reader(part)
            return true
        case .waits:
            return false
        case .unwanted:
            return true
        }
    }

    func next(_ done: @escaping @Sendable (StreamPart) -> Void) {
        guard let part = handover.withLock({ $0.ask(done) }) else { return }
        done(part)
        loop.execute { self.connection.value.bodyWasTaken(from: self) }
    }

    func cancel() {
        guard handover.withLock({ $0.cancel() }) else { return }
        loop.execute { self.connection.value.bodyIsUnwanted(from: self) }
    }
}
