internal import SpoolCore
internal import SpoolServer

/// What `/healthz` and `/readyz` ask: why no event can be accepted now; nil when events can be.
public struct DoorCondition: Sendable {
    /// Calls back once, on any thread.
    public typealias Question = @Sendable (@escaping @Sendable (_ trouble: String?) -> Void) -> Void

    /// To be answered soon, whatever the disk does.
    let health: Question
    /// To be answered when it is known whether events can be accepted.
    let readiness: Question

    /// By default all is always well.
    public init(
        health: @escaping Question = { $0(nil) }, readiness: @escaping Question = { $0(nil) }
    ) {
        self.health = health
        self.readiness = readiness
    }
}

extension HTTPAnswer {
    /// 200, because whoever answers makes progress; the trouble is told.
    static func health(trouble: String?) -> HTTPAnswer {
        var writer = JSONWriter(reserving: 256)
        writer.beginObject()
        writer.key("status")
        writer.string(trouble == nil ? "ok" : "troubled")
        if let trouble {
            writer.key("trouble")
            writer.string(trouble)
        }
        writer.endObject()
        return HTTPAnswer(status: 200, body: writer.bytes)
    }

    /// 200 while events can be accepted, else 503 with the reason.
    static func readiness(trouble: String?) -> HTTPAnswer {
        if let trouble { return .unavailable(trouble) }
        return HTTPAnswer(status: 200, body: Array("{\"status\":\"ready\"}".utf8))
    }
}
