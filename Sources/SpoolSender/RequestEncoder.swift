package import SpoolCore

/// Events in, request out. Bodies travel byte for byte as they were accepted; only a reference in
/// place of a log's id becomes that id.
package enum RequestEncoder {
    /// The request that carries the events at `places` of a lease.
    ///
    /// Logs and feedback always travel as an array, a single one too, so that answers always map by
    /// position. Every other operation takes one event; a session has no body at all.
    ///
    /// - Parameter ids: upstream's ids of the logs that events name by reference, by reference. Each
    ///   ``LeasedEvent/unresolvedReference`` must be among them.
    package static func request(
        for lease: Lease, places: [Int], ids: [ExactName: String] = [:], timeout: Duration
    ) -> UpstreamRequest {
        precondition(!places.isEmpty, "a request carries at least one event")
        let events = places.map { lease.events[$0] }
        precondition(
            events.count == 1 || lease.route.takesArray,
            "\(events.count) events do not fit one request of \(lease.route)")
        return UpstreamRequest(
            method: lease.route.method, target: target(of: events[0], by: lease.route),
            body: body(of: events, in: lease, ids: ids), timeout: timeout)
    }

    /// The question whether upstream knows a reference: an update that changes nothing, whose answer is
    /// the log (docs/api.md, `PATCH /logs?reference_id=`).
    package static func question(about reference: String, timeout: Duration) -> UpstreamRequest {
        UpstreamRequest(
            method: Route.patchLogByReference.method, target: target(ofUpdateTo: reference),
            body: Array("{}".utf8), timeout: timeout)
    }

    // MARK: Target

    private static func target(of event: LeasedEvent, by route: Route) -> String {
        switch route {
        case .postLogs, .postFeedback, .postSession: route.path
        case .patchLogByReference: target(ofUpdateTo: address(of: event))
        case .patchLog: "/logs/\(PercentEncoding.encodedSegment(address(of: event)))"
        case .postEvaluationLog: target(inEvaluation: address(of: event), "log")
        case .postEvaluationResult: target(inEvaluation: address(of: event), "result")
        }
    }

    private static func target(ofUpdateTo reference: String) -> String {
        "\(Route.patchLogByReference.path)?reference_id=\(PercentEncoding.encoded(reference))"
    }

    /// - Parameter address: the evaluation's id as it came in a path, with `?` and a query or without.
    private static func target(inEvaluation address: String, _ operation: String) -> String {
        let parts = address.split(separator: "?", maxSplits: 1, omittingEmptySubsequences: false)
        let path =
            "/evaluations/\(PercentEncoding.completedSegment(String(parts[0])))/\(operation)"
        guard parts.count > 1 else { return path }
        return "\(path)?\(PercentEncoding.completedQuery(String(parts[1])))"
    }

    private static func address(of event: LeasedEvent) -> String {
        guard let address = event.address else {
            preconditionFailure("\(event.kind) \(event.sequence) has no address")
        }
        return address
    }

    // MARK: Body

    private static func body(
        of events: [LeasedEvent], in lease: Lease, ids: [ExactName: String]
    ) -> [UInt8] {
        var body: [UInt8] = []
        guard lease.route != .postSession else { return body }
        body.reserveCapacity(events.reduce(2) { $0 + $1.body.count + 1 })
        for (index, event) in events.enumerated() {
            if lease.route.takesArray {
                body.append(index == 0 ? UInt8(ascii: "[") : UInt8(ascii: ","))
            }
            append(event, of: lease, ids: ids, to: &body)
        }
        if lease.route.takesArray { body.append(UInt8(ascii: "]")) }
        return body
    }

    private static func append(
        _ event: LeasedEvent, of lease: Lease, ids: [ExactName: String], to body: inout [UInt8]
    ) {
        guard let reference = event.unresolvedReference else {
            body.append(contentsOf: lease.bytes[event.body])
            return
        }
        guard let id = ids[ExactName(reference)] else {
            preconditionFailure("\(event.kind) \(event.sequence) names a log nobody asked about")
        }
        lease.bytes.withUnsafeBytes { bytes in
            let accepted = UnsafeRawBufferPointer(rebasing: bytes[event.body])
            ReferenceSwap.append(accepted, kind: event.kind, id: id, to: &body)
        }
    }
}
