import NIOCore
public import NIOHTTP1
import SpoolCore
public import SpoolServer

/// Shows and changes the faults of a running archive, on a socket of its own.
///
///     GET /faults     {"requests":90,"handled":81,"faults":[{"fault":"status=500:10%","hits":9}]}
///     POST /faults    the body in the grammar of ``Fault/list(_:)``; none ends all faults
public struct FaultControl: HTTPApplication {
    private let application: FaultyApplication

    /// Controls the faults of `application`.
    public init(_ application: FaultyApplication) {
        self.application = application
    }

    /// Takes `GET` and `POST` of `/faults`.
    public func plan(_ head: HTTPRequestHead, peer: Peer) -> BodyPlan {
        guard head.uri == "/faults", head.method == .GET || head.method == .POST else {
            return .answer(
                .detail(status: 404, "This socket answers GET /faults and POST /faults."))
        }
        return .read(bytesMax: Self.textBytesMax)
    }

    /// A text of faults is read up to this many bytes.
    private static let textBytesMax = 64 << 10

    /// Answers with the faults in force and their counts.
    public func answer(_ request: HTTPRequest, _ reply: @escaping @Sendable (HTTPAnswer) -> Void) {
        if request.method == "POST" {
            let text = String(decoding: request.body.readableBytesView, as: UTF8.self)
            do throws(FaultMistake) {
                application.replace(try Fault.list(text))
            } catch {
                return reply(.detail(status: 400, "\(error)"))
            }
        }
        reply(HTTPAnswer(status: 200, body: Self.json(application.plan)))
    }

    private static func json(_ plan: FaultPlan) -> [UInt8] {
        var writer = JSONWriter()
        writer.beginObject()
        writer.key("requests")
        writer.int(plan.requests)
        writer.key("handled")
        writer.int(plan.handled)
        writer.key("faults")
        writer.beginArray()
        for entry in plan.entries {
            writer.beginObject()
            writer.member("fault", "\(entry.fault)")
            writer.key("hits")
            writer.int(entry.hits)
            writer.endObject()
        }
        writer.endArray()
        writer.endObject()
        return writer.bytes
    }
}
