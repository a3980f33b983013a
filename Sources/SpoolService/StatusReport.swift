import SpoolArchive
import SpoolCore
import SpoolQueue
import SpoolSender
import SpoolServer

/// What `status` says, as JSON: the ledger, upstream's health, and what to look at.
struct StatusReport {
    let queue: QueueReport
    /// How old the queue's numbers are.
    let age: Duration
    /// Why no event can be accepted.
    let trouble: String?
    let sender: SenderSnapshot
    let settings: DaemonSettings
    let doors: ControlAPI.Doors
    /// The embedded archive's, where it is the upstream.
    let archive: ArchiveServer.Holdings?
    let listening: [String]
    let now: Timestamp

    /// The report as one JSON object.
    var json: [UInt8] {
        var writer = JSONWriter(reserving: 1024)
        writer.beginObject()
        writer.key("version")
        writer.string(Version.current)
        writer.key("pid")
        writer.int(Int(Process.id))
        writer.key("listening")
        writer.beginArray()
        for address in listening { writer.string(address) }
        writer.endArray()
        writer.key("trouble")
        if let trouble { writer.string(trouble) } else { writer.null() }
        writer.key("ledger_age_seconds")
        writer.double(seconds(age))
        writer.key("ledger")
        write(ledger: &writer)
        writer.key("queue")
        write(queue: &writer)
        writer.key("limits")
        write(limits: &writer)
        writer.key("possible_duplicates")
        write(counters: "possible_duplicates.", &writer)
        writer.key("deduplicated")
        writer.int(Int(queue.counters["deduplicated"] ?? 0))
        writer.key("malformed")
        writer.int(Int(malformed))
        writer.key("malformed_kept")
        write(malformed: &writer)
        writer.key("disk_refusals")
        writer.int(Int(queue.counters["disk_refusals"] ?? 0))
        writer.key("archive")
        write(archive: &writer)
        writer.key("archive_set_aside")
        if let file = archive?.setAside { writer.string(file) } else { writer.null() }
        writer.key("upstream")
        write(upstream: &writer)
        writer.key("dead_letters")
        write(dead: &writer)
        writer.endObject()
        return writer.bytes
    }

    private func write(ledger writer: inout JSONWriter) {
        writer.beginObject()
        let rows: [(StaticString, Int64)] = [
            ("accepted", queue.accepted), ("queued", queue.queued), ("in_flight", queue.inFlight),
            ("delivered", queue.delivered), ("dead", queue.dead),
        ]
        for (name, value) in rows {
            writer.key(name)
            writer.int(Int(value))
        }
        writer.key("discarded")
        write(counters: "discarded.", &writer)
        writer.endObject()
    }

    private func write(queue writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("waiting_for_a_log")
        writer.int(Int(queue.waiting))
        writer.key("payload_bytes")
        writer.int(Int(queue.payloadBytes))
        writer.key("oldest_age_seconds")
        if let age = queue.oldestAge(at: now) {
            writer.double(seconds(age))
        } else {
            writer.null()
        }
        writer.endObject()
    }

    private func write(limits writer: inout JSONWriter) {
        writer.beginObject()
        let rows: [(StaticString, Int64)] = [
            ("spool_bytes", queue.usedBytes), ("spool_bytes_max", queue.usedBytesMax),
            ("dead_bytes", queue.deadBytes), ("dead_bytes_max", queue.deadBytesMax),
            ("connections", Int64(doors.connections.open)),
            ("connections_max", Int64(doors.connections.max)),
            ("ingest_bytes", Int64(doors.budget.reserved)),
            ("ingest_bytes_max", Int64(doors.budget.bytesMax)),
            ("free_disk_bytes_min", queue.freeDiskBytesMin),
        ]
        for (name, value) in rows {
            writer.key(name)
            writer.int(value)
        }
        writer.key("free_disk_bytes")
        if let free = queue.freeDiskBytes { writer.int(free) } else { writer.null() }
        writer.key("on_full")
        writer.string(settings.policy.onFull.rawValue)
        writer.key("disk_below_reserve")
        writer.bool(queue.isDiskFull)
        writer.endObject()
    }

    /// Input that could not be understood, of all times.
    private var malformed: Int64 { queue.counters["malformed"] ?? 0 }

    /// What the ring of such input holds, and what has made room.
    private func write(malformed writer: inout JSONWriter) {
        let overwritten = queue.counters["malformed_overwritten"] ?? 0
        write(
            [
                ("count", queue.malformedCount), ("overwritten", overwritten),
                ("bytes", queue.malformedBytes),
                ("bytes_max", Int64(Limits.malformedRingBytesMax)),
            ], &writer)
    }

    private func write(archive writer: inout JSONWriter) {
        guard let archive else { return writer.null() }
        write(
            [
                ("logs", archive.status.logs), ("bytes", archive.status.bytes),
                ("bytes_max", archive.bytesMax), ("trimmed", archive.status.trimmed),
            ], &writer)
    }

    private func write(_ numbers: [(StaticString, Int64)], _ writer: inout JSONWriter) {
        writer.beginObject()
        for (name, value) in numbers {
            writer.key(name)
            writer.int(value)
        }
        writer.endObject()
    }

    private func write(upstream writer: inout JSONWriter) {
        writer.beginObject()
        writer.key("url")
        writer.string(settings.upstreamName)
        writer.key("health")
        writer.string(health)
        writer.key("advice")
        if let park { writer.string(park.advice) } else { writer.null() }
        writer.key("next_try_seconds")
        if let nextTry { writer.double(seconds(nextTry)) } else { writer.null() }
        writer.key("requests_in_flight")
        writer.int(sender.inFlight)
        writer.key("requests_in_flight_limit")
        writer.int(sender.inFlightLimit)
        writer.key("batches_in_doubt")
        writer.int(sender.inDoubt)
        writer.key("requests")
        writer.int(sender.tally.requests)
        writer.key("batch_bytes_max")
        writer.int(sender.batchBytes)
        writer.key("parked")
        write(parked: &writer)
        writer.key("asking_by_reference")
        writer.string("\(sender.calibration)")
        writer.key("next_question_seconds")
        if let next = sender.nextQuestion { writer.double(seconds(next)) } else { writer.null() }
        writer.key("last_failed_question")
        if let trouble = sender.questionTrouble {
            writer.beginObject()
            writer.key("seconds_ago")
            writer.double(seconds(max(.zero, now - trouble.at)))
            write(said: trouble, &writer)
            writer.endObject()
        } else {
            writer.null()
        }
        writer.key("last_trouble")
        write(trouble: &writer)
        writer.endObject()
    }

    /// What upstream said, where it is known: the status of its answer, and the words of it or of why
    /// there was none.
    private func write(said trouble: SenderSnapshot.Trouble?, _ writer: inout JSONWriter) {
        writer.key("status")
        if let status = trouble?.status { writer.int(status) } else { writer.null() }
        writer.key("upstream_said")
        if let trouble { writer.string(trouble.words) } else { writer.null() }
    }

    private var health: String {
        switch sender.health {
        case .steady: sender.parked.isEmpty ? "steady" : "parked in part"
        case .backingOff: "backing off"
        case .parked: "parked"
        }
    }

    /// The reason of the destination's park, or of the first part's.
    private var park: Park? { sender.parked.first?.park }

    /// What gives nothing although upstream answers: all of it, an operation, or a project's part of one.
    private func write(parked writer: inout JSONWriter) {
        writer.beginArray()
        for parked in sender.parked {
            var route: Route?
            var lane: QueueReport.LaneFacts?
            var events: Int?
            switch parked.scope {
            case .destination: events = Int(queue.queued)
            case .route(let parkedRoute):
                route = parkedRoute
                events = queue.routes[parkedRoute, default: 0]
            case .lane(let id):
                lane = queue.lanes[id]
                route = lane?.route
                events = lane?.queuedCount
            }
            writer.beginObject()
            writer.key("operation")
            if let route {
                writer.string("\(route.method) \(route.path)")
            } else {
                writer.null()
            }
            writer.key("project")
            if let lane { writer.string(lane.project) } else { writer.null() }
            writer.key("advice")
            writer.string(parked.park.advice)
            writer.key("events")
            if let events { writer.int(events) } else { writer.null() }
            write(said: parked.said, &writer)
            writer.key("refusals")
            writer.int(parked.failures)
            writer.key("next_try_seconds")
            writer.double(seconds(parked.nextTry))
            writer.endObject()
        }
        writer.endArray()
    }

    private var nextTry: Duration? {
        switch sender.health {
        case .steady: nil
        case .backingOff(let wait), .parked(_, let wait): wait
        }
    }

    private func seconds(_ duration: Duration) -> Double {
        Double(duration.wholeMilliseconds) / 1000
    }

    private func write(trouble writer: inout JSONWriter) {
        guard let trouble = sender.trouble else { return writer.null() }
        writer.beginObject()
        writer.key("seconds_ago")
        writer.double(seconds(max(.zero, now - trouble.at)))
        writer.key("operation")
        writer.string("\(trouble.route.method) \(trouble.route.path)")
        writer.key("status")
        if let status = trouble.status { writer.int(status) } else { writer.null() }
        writer.key("words")
        writer.string(trouble.words)
        writer.endObject()
    }

    private func write(counters prefix: String, _ writer: inout JSONWriter) {
        writer.beginObject()
        for (name, value) in queue.counters.sorted(by: { $0.key < $1.key })
        where name.hasPrefix(prefix) {
            writer.key(String(name.dropFirst(prefix.count)))
            writer.int(Int(value))
        }
        writer.endObject()
    }

    private func write(dead writer: inout JSONWriter) {
        writer.beginArray()
        for letter in queue.lastDead {
            writer.beginObject()
            writer.key("id")
            writer.string(letter.id)
            writer.key("kind")
            writer.string("\(letter.kind)")
            writer.key("reason")
            writer.string(letter.reason)
            writer.key("status")
            if let status = letter.status { writer.int(status) } else { writer.null() }
            writer.key("upstream_said")
            writer.string(letter.words)
            writer.endObject()
        }
        writer.endArray()
    }
}

extension QueueReport {
    /// How long the oldest event has waited. Nothing is younger than new, also when the clock was set
    /// back.
    func oldestAge(at now: Timestamp) -> Duration? {
        oldestAcceptedAt.map { max(.zero, now - $0) }
    }
}
