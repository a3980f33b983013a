import SpoolCore

extension Settlement {
    /// What it moves, for a history's story.
    var inBrief: String {
        func list(_ sequences: [EventSequence]) -> String {
            sequences.map { "\($0.rawValue)" }.joined(separator: " ")
        }
        var parts = ["lease \(lease)"]
        if !delivered.isEmpty { parts.append("delivered \(list(delivered.map(\.sequence)))") }
        if !returned.isEmpty {
            let times = returned.map { $0.notBefore.map { " not before \($0.milliseconds)" } ?? "" }
            parts.append("returned \(list(returned.map(\.sequence)))\(times.first ?? "")")
        }
        for group in regrouped { parts.append("regrouped \(list(group))") }
        for death in dead { parts.append("dead \(death.sequence.rawValue) \(death.reason)") }
        if possibleDuplicates > 0 { parts.append("possible duplicates \(possibleDuplicates)") }
        if let calibration { parts.append("calibration \(calibration)") }
        return parts.joined(separator: ", ")
    }
}

extension UpstreamOutcome {
    /// What it is, for a history's story.
    var inBrief: String {
        switch self {
        case .answered(let answer):
            let wait = answer.retryAfter.map { ", Retry-After \($0)" } ?? ""
            return
                "\(answer.status)\(wait) \(String(decoding: answer.body.prefix(80), as: UTF8.self))"
        case .notSent(let reason): return "not sent: \(reason)"
        case .noAnswer(let reason, let timedOut):
            return "no answer: \(reason), timed out \(timedOut)"
        }
    }
}
