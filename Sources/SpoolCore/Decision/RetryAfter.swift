/// The `Retry-After` header: how long upstream asks to be left alone (RFC 9110, section 10.2.3).
public enum RetryAfter {
    /// The wait it asks for, from 0 to ``Limits/retryAfterMax``; nil when it is absent or says nothing
    /// that can be understood. Both forms are: whole seconds, and a date.
    public static func delay(_ field: String?, now: Timestamp) -> Duration? {
        guard let field else { return nil }
        let text = trimmed(field)
        guard !text.isEmpty else { return nil }
        if text.utf8.allSatisfy({ (0x30...0x39).contains($0) }) {
            // More digits than an integer holds is a long time too.
            let asked = Int64(text).map(Duration.seconds) ?? Limits.retryAfterMax
            return min(asked, Limits.retryAfterMax)
        }
        guard let date = HTTPDate.timestamp(String(text), now: now) else { return nil }
        return min(max(date - now, .zero), Limits.retryAfterMax)
    }

    /// Without the whitespace that may stand around a field's value (RFC 9110, section 5.5).
    private static func trimmed(_ field: String) -> Substring {
        var text = field[...]
        while let first = text.first, first == " " || first == "\t" { text.removeFirst() }
        while let last = text.last, last == " " || last == "\t" { text.removeLast() }
        return text
    }
}
