internal import SpoolCore

/// What the sender remembers of a destination over restarts, so that a daemon that starts again does not
/// begin by repeating what upstream has refused.
///
/// Kept as a small JSON text. Instants are written as wall time beside the time that was left, so that a
/// clock which jumped in between prolongs nothing. A text that is damaged, or of another version, is
/// ignored: everything in it can be found out again.
struct SenderNotes: Equatable, Sendable {
    typealias Instant = ContinuousClock.Instant
    typealias Moment = SenderMachine.Moment

    /// What a lease in doubt waits for.
    struct Doubt: Equatable, Sendable {
        /// When upstream's not knowing its events may be believed.
        var believedAt: Instant
        /// Whether its events must not travel in the same company again.
        var splits: Bool
    }

    var health: DestinationHealth
    var parks: Parks
    var lanes: LaneHistory
    var size: BatchSize
    /// By lease.
    var doubts: [Int64: Doubt]
    /// Logs that were sent again before it was known whether asking tells the truth.
    var sentUnproven: [EventKind: Int]

    /// Parks that are written at most; with the bounds of ``LaneHistory`` the text stays below
    /// ``Limits/senderNotesMax``.
    static let parksMax = 200
    private static let version = 1

    // MARK: Writing

    /// The text, written at `moment`.
    func text(at moment: Moment) -> String {
        var writer = JSONWriter(reserving: 256)
        writer.beginObject()
        writer.key("version")
        writer.int(Self.version)
        write(health: &writer, at: moment)
        write(parks: &writer, at: moment)
        writer.key("deaths")
        writer.list(lanes.latestDeaths.prefix(LaneHistory.keptMax)) { writer, deaths in
            writer.int(deaths.lane)
            writer.int(deaths.count)
        }
        writer.key("lonely")
        writer.list(lanes.lonely.sorted { $0.key < $1.key }) { writer, lane in
            writer.int(lane.key)
            writer.instant(lane.value, at: moment)
        }
        if let growsAt = size.growsAt {
            writer.key("batch")
            writer.beginArray()
            writer.int(size.bytes)
            writer.instant(growsAt, at: moment)
            writer.endArray()
        }
        writer.key("doubts")
        writer.list(doubts.sorted { $0.key < $1.key }) { writer, doubt in
            writer.int(doubt.key)
            writer.instant(doubt.value.believedAt, at: moment)
            writer.bool(doubt.value.splits)
        }
        writer.key("unproven")
        writer.list(sentUnproven.sorted { $0.key.rawValue < $1.key.rawValue }) { writer, sent in
            writer.int(sent.key.rawValue)
            writer.int(sent.value)
        }
        writer.endObject()
        return String(decoding: writer.bytes, as: UTF8.self)
    }

    private func write(health writer: inout JSONWriter, at moment: Moment) {
        guard let until = health.until else { return }
        writer.key("health")
        writer.beginArray()
        if let park = health.park { writer.string(park.rawValue) } else { writer.null() }
        writer.int(health.failures)
        writer.bool(health.isDoubtful)
        writer.instant(until, at: moment)
        writer.endArray()
    }

    private func write(parks writer: inout JSONWriter, at moment: Moment) {
        writer.key("parks")
        writer.list(
            parks.entries.sorted { $0.value.probeAt < $1.value.probeAt }.prefix(Self.parksMax)
        ) { writer, park in
            if case .lane(let lane) = park.key { writer.int(lane) } else { writer.null() }
            writer.int(park.value.route.rawValue)
            writer.string(park.value.park.rawValue)
            writer.int(park.value.failures)
        }
    }

    // MARK: Reading

    /// Reads a text at `moment`; nil when it is none of this version, or damaged.
    ///
    /// Backoffs go on where they were. What was parked is tried at once, because a restart is how
    /// somebody mends a key or an address.
    init?(_ text: String, size: BatchSize, at moment: Moment) {
        guard let document = try? JSONValue(parsing: Array(text.utf8)),
            document["version"]?.intValue == Self.version,
            let parks = document["parks"]?.rows(of: 4),
            let deaths = document["deaths"]?.rows(of: 2),
            let lonely = document["lonely"]?.rows(of: 3),
            let doubts = document["doubts"]?.rows(of: 4)
        else { return nil }
        self.health = DestinationHealth()
        self.parks = Parks()
        self.lanes = LaneHistory()
        self.size = size
        self.doubts = [:]
        self.sentUnproven = [:]
        if let kept = document["health"], !restore(health: kept, at: moment) { return nil }
        for row in parks { guard restore(park: row, at: moment) else { return nil } }
        for row in deaths.reversed() {
            guard let lane = row[0].lane, let count = row[1].count else { return nil }
            lanes.died(lane, count)
        }
        for row in lonely {
            guard let lane = row[0].lane, let until = row[1...].instant(at: moment) else {
                return nil
            }
            lanes.refused(lane, until: until)
        }
        if let row = document["batch"]?.elements {
            guard row.count == 3, let bytes = row[0].count,
                let growsAt = row[1...].instant(at: moment)
            else { return nil }
            self.size.limit(to: bytes, until: growsAt)
        }
        for row in doubts {
            guard let lease = row[0].lane, let believedAt = row[1...].instant(at: moment),
                let splits = row[3].boolValue
            else { return nil }
            self.doubts[lease] = Doubt(believedAt: believedAt, splits: splits)
        }
        for row in document["unproven"]?.rows(of: 2) ?? [] {
            guard let kind = row[0].intValue.flatMap(EventKind.init), let count = row[1].count
            else { return nil }
            sentUnproven[kind] = count
        }
    }

    private mutating func restore(health kept: JSONValue, at moment: Moment) -> Bool {
        guard let row = kept.elements, row.count == 5, let failures = row[1].count,
            let isDoubtful = row[2].boolValue, let until = row[3...].instant(at: moment)
        else { return false }
        let park = row[0].stringValue.flatMap(Park.init)
        guard park != nil || row[0].isNull else { return false }
        let state = park.map { DestinationHealth.State.parked($0, until: moment.instant) }
        health.restore(
            state ?? .backingOff(until: until), failures: failures, isDoubtful: isDoubtful)
        return true
    }

    private mutating func restore(park row: [JSONValue], at moment: Moment) -> Bool {
        guard let route = row[1].intValue.flatMap(Route.init), let failures = row[3].count,
            failures > 0, let park = row[2].stringValue.flatMap(Park.init)
        else { return false }
        let entry = Parks.Entry(
            park: park, route: route, failures: failures, triableAt: moment.instant)
        if row[0].isNull {
            parks.restore(.route(route), entry)
        } else if let lane = row[0].lane {
            parks.restore(.lane(lane), entry)
        } else {
            return false
        }
        return true
    }

    /// What a machine remembers.
    init(
        health: DestinationHealth, parks: Parks, lanes: LaneHistory, size: BatchSize,
        doubts: [Int64: Doubt], sentUnproven: [EventKind: Int]
    ) {
        self.health = health
        self.parks = parks
        self.lanes = lanes
        self.size = size
        self.doubts = doubts
        self.sentUnproven = sentUnproven
    }
}

// MARK: Parts of the text

extension JSONWriter {
    /// An array of arrays.
    fileprivate mutating func list<Rows: Sequence>(
        _ rows: Rows, _ write: (inout JSONWriter, Rows.Element) -> Void
    ) {
        beginArray()
        for row in rows {
            beginArray()
            write(&self, row)
            endArray()
        }
        endArray()
    }

    /// Two numbers: the wall clock at that instant, and how long it is until then; milliseconds.
    fileprivate mutating func instant(
        _ instant: ContinuousClock.Instant, at moment: SenderMachine.Moment
    ) {
        let left = max(instant - moment.instant, .zero)
        int((moment.wall + left).milliseconds)
        int(left.wholeMilliseconds)
    }
}

extension JSONValue {
    /// A number of a lane or lease.
    fileprivate var lane: Int64? { intValue.map(Int64.init) }

    /// A number that is not negative, nor beyond reason.
    fileprivate var count: Int? { intValue.flatMap { (0...(1 << 50)).contains($0) ? $0 : nil } }

    fileprivate func rows(of columns: Int) -> [[JSONValue]]? {
        guard let elements else { return nil }
        let rows = elements.compactMap(\.elements).filter { $0.count == columns }
        return rows.count == elements.count ? rows : nil
    }
}

extension ArraySlice<JSONValue> {
    /// Reads what ``JSONWriter/instant(_:at:)`` wrote: the clock may have been set since, so it is now at
    /// the earliest, and at the latest as far away as it was then.
    fileprivate func instant(at moment: SenderMachine.Moment) -> ContinuousClock.Instant? {
        guard count >= 2, let wall = self[startIndex].count, let left = self[startIndex + 1].count
        else { return nil }
        let remaining = Timestamp(milliseconds: Int64(wall)) - moment.wall
        let most = Swift.min(.milliseconds(left), Limits.retryAfterMax)
        return moment.instant + Swift.min(Swift.max(remaining, .zero), most)
    }
}
