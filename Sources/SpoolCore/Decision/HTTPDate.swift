/// Dates in HTTP headers, in the three forms a recipient must understand (RFC 9110, section 5.6.7).
enum HTTPDate {
    /// The instant a header names; nil when it is in none of the three forms.
    ///
    /// - Parameter now: places the two-digit year of the second form: more than 50 years ahead means
    ///   the past.
    static func timestamp(_ text: String, now: Timestamp) -> Timestamp? {
        let parts = text.split(separator: " ")
        switch parts.count {
        case 6 where parts[5] == "GMT":
            // Sun, 06 Nov 1994 08:49:37 GMT
            return timestamp(year: parts[3], month: parts[2], day: parts[1], time: parts[4])
        case 5:
            // Sun Nov  6 08:49:37 1994
            return timestamp(year: parts[4], month: parts[1], day: parts[2], time: parts[3])
        case 4 where parts[3] == "GMT":
            // Sunday, 06-Nov-94 08:49:37 GMT
            let date = parts[1].split(separator: "-")
            guard date.count == 3, let year = fullYear(date[2], now: now) else { return nil }
            return timestamp(year: year, month: date[1], day: date[0], time: parts[2])
        default:
            return nil
        }
    }

    /// Reads the parts as an RFC 3339 time, whose reader knows the calendar.
    private static func timestamp(
        year: Substring, month: Substring, day: Substring, time: Substring
    ) -> Timestamp? {
        guard let month = months.firstIndex(of: month), time.utf8.count == 8 else { return nil }
        let day = day.utf8.count == 1 ? "0\(day)" : day
        return DateTime("\(year)-\(padded(month + 1))-\(day)T\(time)Z")?.time
    }

    private static func fullYear(_ digits: Substring, now: Timestamp) -> Substring? {
        guard digits.utf8.count == 2, let year = Int(digits), year >= 0 else { return nil }
        let present = Int(DateTime.civil(now.milliseconds / 86_400_000).year)
        let full = present / 100 * 100 + year
        return Substring("\(full > present + 50 ? full - 100 : full)")
    }

    private static func padded(_ number: Int) -> String { number < 10 ? "0\(number)" : "\(number)" }

    private static let months: [Substring] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]
}
