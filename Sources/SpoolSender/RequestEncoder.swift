package import SpoolCore

/// Events in, request out. Bodies travel byte for byte as they were accepted.
package enum RequestEncoder {
    /// The request that carries the events at `places` of a lease.
    ///
    /// Logs and feedback always travel as an array, a single one too, so that answers always map by
    /// position. An update travels as the one object that `PATCH` takes.
    package static func request(
        for lease: Lease, places: [Int], timeout: Duration
    ) -> UpstreamRequest {
        precondition(!places.isEmpty, "a request carries at least one event")
        let bodies = places.map { lease.bytes[lease.events[$0].body] }
        guard lease.route.takesArray else {
            precondition(places.count == 1, "\(places.count) updates do not fit one request")
            guard let reference = lease.events[places[0]].address else {
                preconditionFailure("update \(lease.events[places[0]].sequence) has no address")
            }
            return UpstreamRequest(
                method: lease.route.method, target: target(ofUpdateTo: reference),
                body: Array(bodies[0]), timeout: timeout)
        }
        var body: [UInt8] = []
        body.reserveCapacity(bodies.reduce(2) { $0 + $1.count + 1 })
        for (index, bytes) in bodies.enumerated() {
            body.append(index == 0 ? UInt8(ascii: "[") : UInt8(ascii: ","))
            body.append(contentsOf: bytes)
        }
        body.append(UInt8(ascii: "]"))
        return UpstreamRequest(
            method: lease.route.method, target: lease.route.path, body: body, timeout: timeout)
    }

    /// The question whether upstream knows a reference: an update that changes nothing, whose answer is
    /// the log (docs/api.md, `PATCH /logs?reference_id=`).
    package static func question(about reference: String, timeout: Duration) -> UpstreamRequest {
        UpstreamRequest(
            method: Route.patchLogByReference.method, target: target(ofUpdateTo: reference),
            body: Array("{}".utf8), timeout: timeout)
    }

    private static func target(ofUpdateTo reference: String) -> String {
        "\(Route.patchLogByReference.path)?reference_id=\(PercentEncoding.encoded(reference))"
    }
}
