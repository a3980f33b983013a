import FuzzKit

@testable import SpoolCore

/// Whatever upstream answers means exactly one thing, and never more than the answer shows: nothing
/// is delivered without as many ids as events, nothing counts as refused that could have been
/// applied, and no header makes the daemon wait longer than its limit.
@main
enum Answer {
    static func main() {
        Fuzzer.run { input in
            var choices = Choices(input)
            let facts = facts(&choices)
            let now = Timestamp(milliseconds: choices.number() >> 16)
            let status = status(&choices)
            let retryAfter = text(&choices)
            let reference = text(&choices)
            let body = choices.text
            let answer = UpstreamAnswer(status: status, retryAfter: retryAfter, body: body)

            checkVerdict(on: answer, facts, now)
            checkFindings(answer, reference, facts, now)
            checkIdentities(body, facts)
            checkComplaint(body, facts.count)
            checkTimes(retryAfter, now)
            let words = UpstreamWords.of(.answered(answer))
            require(words.utf8.count <= Limits.upstreamWordsMax, "\(words.utf8.count) bytes kept")
        }
    }

    private static func facts(_ choices: inout Choices) -> RequestFacts {
        let route = choices.one(of: Route.allCases)
        let size = Int(choices.byte() % 8) + 1
        let bits = choices.byte()
        return RequestFacts(
            route: route, count: route.takesArray ? size : 1, namesUnknownLog: bits & 1 != 0,
            graceIsOver: bits & 2 != 0, routeHasAnswered: bits & 4 != 0,
            destinationHasAnswered: bits & 8 != 0, isArchive: bits & 16 != 0,
            acceptsBare2xx: bits & 32 != 0)
    }

    private static func status(_ choices: inout Choices) -> Int {
        let common = [200, 200, 200, 422, 404, 400, 413, 429, 500, 503, 401, 301]
        let choice = choices.byte()
        guard choice >= 0xE0 else { return common[Int(choice) % common.count] }
        return Int(choices.byte()) << 2 | Int(choices.byte() & 3)
    }

    private static func text(_ choices: inout Choices) -> String {
        String(decoding: choices.text(upTo: UInt8(ascii: "\n")), as: UTF8.self)
    }

    // MARK: Promises

    private static func checkVerdict(
        on answer: UpstreamAnswer, _ facts: RequestFacts, _ now: Timestamp
    ) {
        let verdict = ReplyClassifier.verdict(on: .answered(answer), to: facts, now: now)
        let isSuccess = (200...299).contains(answer.status)
        switch verdict {
        case .delivered(let identities):
            require(isSuccess, "delivered on \(answer.status)")
            require(identities.count == facts.count, "\(identities.count) ids for \(facts.count)")
            require(identities.allSatisfy { !$0.id.isEmpty }, "an empty id")
        case .accepted:
            require(isSuccess && facts.acceptsBare2xx, "taken for arrived on \(answer.status)")
        case .notApplied(let delay), .tooLarge(let delay):
            require(!isSuccess && answer.status != 500, "sent again on \(answer.status)")
            require(delay.map(isBounded) ?? true, "a wait of \(delay ?? .zero)")
        case .faulty(let places):
            require(answer.status == 422 && facts.count > 1, "\(facts.count), \(answer.status)")
            require(places == Set(places).sorted(), "places \(places)")
            require(places.allSatisfy((0..<facts.count).contains), "\(places) of \(facts.count)")
        case .refused:
            require((400...499).contains(answer.status), "refused on \(answer.status)")
            require(facts.count == 1, "\(facts.count) refused at once")
        case .causeMissing:
            require(facts.count == 1 && !facts.graceIsOver, "a cause is missing: \(facts)")
            require([404, 422].contains(answer.status), "a cause is missing on \(answer.status)")
        case .parked:
            require(!isSuccess && answer.status < 502, "parked on \(answer.status)")
        case .inDoubt(let ambiguity):
            require(isSuccess == (ambiguity == .unusableAnswer), "\(ambiguity), \(answer.status)")
        }
    }

    private static func checkFindings(
        _ answer: UpstreamAnswer, _ reference: String, _ facts: RequestFacts, _ now: Timestamp
    ) {
        let createdAt = DateTime(reference)
        switch Finding(.answered(answer), reference: reference, createdAt: createdAt) {
        case .arrived(let identity):
            require(answer.status == 200 && !identity.id.isEmpty, "arrived: \(identity)")
            let told = (try? JSONValue(parsing: answer.body))?["reference_id"]?.stringValue
            require(told == nil || told == reference, "\(told ?? "") is not \(reference)")
        case .absent: require(answer.status == 404, "absent on \(answer.status)")
        case .anotherLog: require(createdAt?.hasOffset == true, "compared with nothing")
        case .refused:
            let told = (try? JSONValue(parsing: answer.body))?["reference_id"]?.stringValue
            let isOther =
                answer.status == 200 && told.map { Array($0.utf8) } != Array(reference.utf8)
            require(isOther || Finding.isRefusal(answer.status), "refused on \(answer.status)")
        case .unclear: require(answer.status != 404, "404 is clear")
        }
        let question = RequestFacts(
            route: .patchLogByReference, namesUnknownLog: true, graceIsOver: facts.graceIsOver,
            destinationHasAnswered: facts.destinationHasAnswered, isArchive: facts.isArchive)
        let target = TargetFinding(
            .answered(answer), reference: reference, to: question, now: now)
        require(target != .givenUp || facts.graceIsOver, "given up too early")
    }

    /// The ids read in one pass are those that a tree of the whole answer shows, but for those that are too
    /// long to be kept.
    private static func checkIdentities(_ body: [UInt8], _ facts: RequestFacts) {
        // An id is measured as it stands in the answer, which a tree does not show of escapes.
        let isLong = body.count > Limits.upstreamIDBytesMax
        guard !isLong || !body.contains(UInt8(ascii: "\\")) else { return }
        let read = UpstreamIdentity.read(body, for: facts.route, count: facts.count)
        let tree = try? JSONValue(parsing: body)
        let elements = facts.route.takesArray ? tree?.elements : tree.map { [$0] }
        var expected: [UpstreamIdentity]?
        if let elements, elements.count == facts.count {
            let identities = elements.compactMap { element -> UpstreamIdentity? in
                guard let id = name(element["id"]) else { return nil }
                return UpstreamIdentity(
                    id: id, projectID: name(element["project_id"]),
                    sessionID: name(element["session_id"]))
            }
            if identities.count == facts.count { expected = identities }
        }
        require(read == expected, "read \(read ?? []), the tree has \(expected ?? [])")
    }

    private static func name(_ value: JSONValue?) -> String? {
        guard let name = value?.stringValue, !name.isEmpty,
            name.utf8.count <= Limits.upstreamIDBytesMax
        else { return nil }
        return name
    }

    private static func checkComplaint(_ body: [UInt8], _ count: Int) {
        guard let complaint = ValidationComplaint(body) else { return }
        let culprits = complaint.culprits(of: count)
        require(culprits.allSatisfy((0..<count).contains), "\(culprits) of \(count)")
        require(culprits.isEmpty || complaint.isAboutBody, "\(culprits) of no body")
        require(!complaint.saysUnknown([]), "it says something of nothing")
        _ = complaint.saysUnknown(["parent_id", "data_id", "reference_id"])
    }

    private static func checkTimes(_ text: String, _ now: Timestamp) {
        let delay = RetryAfter.delay(text, now: now)
        require(delay.map(isBounded) ?? true, "\(text) asks for \(delay ?? .zero)")
        if let time = DateTime(text)?.time { checkWritten(time) }
        if let time = HTTPDate.timestamp(text, now: now) { checkWritten(time) }
        checkWritten(now)
    }

    /// A time reads as it was written, as far as four digits say its year.
    private static func checkWritten(_ time: Timestamp) {
        var written: [UInt8] = []
        DateTime.append(time, to: &written)
        let again = written.withUnsafeBytes { DateTime($0) }
        let first = Timestamp(milliseconds: -62_167_219_200_000)
        let last = Timestamp(milliseconds: 253_402_300_799_999)
        let expected = min(max(time, first), last)
        require(again?.time == expected, "\(time) written as \(shown(written))")
        require(again?.hasOffset == true, "no zone in \(shown(written))")
    }

    private static func isBounded(_ delay: Duration) -> Bool {
        (.zero...Limits.retryAfterMax).contains(delay)
    }
}
