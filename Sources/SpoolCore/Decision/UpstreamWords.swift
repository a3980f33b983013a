/// What upstream said, short enough to keep.
public enum UpstreamWords {
    /// The outcome's text: the answer's body, or why there is none. At most
    /// ``Limits/upstreamWordsMax`` bytes, cut between characters.
    public static func of(_ outcome: UpstreamOutcome) -> String {
        switch outcome {
        case .answered(let answer): cut(String(decoding: answer.body.prefix(max), as: UTF8.self))
        case .notSent(let reason), .noAnswer(let reason, _): cut(reason)
        }
    }

    private static let max = Limits.upstreamWordsMax

    private static func cut(_ text: String) -> String {
        guard text.utf8.count > max else { return text }
        // A character that straddles the limit is left out whole.
        var end = text.utf8.index(text.startIndex, offsetBy: max)
        while end.samePosition(in: text.unicodeScalars) == nil {
            end = text.utf8.index(before: end)
        }
        return String(text[..<end])
    }
}
