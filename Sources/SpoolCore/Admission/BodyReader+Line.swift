extension BodyReader {
    /// What a line of the event stream may hold.
    private static let kinds: [StaticString] = [
        "log", "feedback", "update", "evaluation_log", "evaluation_result",
    ]

    /// Reads one line: an object with exactly one of the keys that name an event. Other keys are
    /// left aside, unless validation is strict.
    mutating func readLine(into submission: inout Submission) throws(JSONError) {
        let line = Place(root: "line")
        let kind = try scanner.peekKind()
        guard kind == .object else {
            _ = try scanner.scanValue()
            return refuse(
                line, as: .object, "expected an object such as {\"log\":{…}}, got \(kind.phrase)")
        }
        try scanner.enterObject()
        var events = 0
        while let key = try scanner.nextMember() {
            let name = Self.kinds.first {
                JSONText.equals(bytes, key.range, hasEscapes: key.hasEscapes, $0)
            }
            guard let name else {
                checkUnknown(key, at: line)
                _ = try scanner.scanValue()
                continue
            }
            events += 1
            try readEvent(name, at: line.at(kind: name), into: &submission)
        }
        guard events != 1 else { return }
        refuse(
            line, as: events == 0 ? .missing : .value,
            "expected exactly one of the keys log, feedback, update, evaluation_log and "
                + "evaluation_result; got "
                + (events == 0 ? "none" : "\(events)"))
    }

    private mutating func readEvent(
        _ name: StaticString, at place: Place, into submission: inout Submission
    ) throws(JSONError) {
        switch name.description {
        case "log": try readLog(at: place, into: &submission)
        case "feedback": try readFeedback(at: place, into: &submission)
        case "update": try readNamedUpdate(at: place, into: &submission)
        case "evaluation_log": try readEvaluationLog(at: place, into: &submission)
        default: try readEvaluationResult(at: place, into: &submission)
        }
    }
}
