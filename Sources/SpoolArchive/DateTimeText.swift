import SpoolCore

/// Dates and times as the API writes them (RFC 3339), in both directions.
enum DateTimeText {
    /// Whether a text is a date-time the API takes: `2024-05-01T12:30:15.123Z`, an offset `+00:00`
    /// or `+0000` instead of `Z`, no offset, no fraction, no seconds, or the date alone. The SDKs
    /// send the first three; the others are documented for queries.
    static func isDateTime(_ text: String) -> Bool {
        var reader = Reader(rest: Substring(text).utf8)
        guard let year = reader.digits(4), reader.take("-"), let month = reader.digits(2),
            reader.take("-"), let day = reader.digits(2)
        else { return false }
        guard (1...12).contains(month), (1...days(inMonth: month, of: year)).contains(day) else {
            return false
        }
        if reader.rest.isEmpty { return true }
        guard reader.takeAny("Tt "), reader.time() else { return false }
        return reader.rest.isEmpty || (reader.offset() && reader.rest.isEmpty)
    }

    /// A time as `2024-05-01T12:30:15.123+00:00`, which the Python SDK parses.
    static func text(_ time: Timestamp) -> String {
        let dayMilliseconds: Int64 = 86_400_000
        let millisecond = positiveRemainder(time.milliseconds, dayMilliseconds)
        let day = (time.milliseconds - millisecond) / dayMilliseconds
        let (year, month, dayOfMonth) = date(daysSince1970: day)
        let second = millisecond / 1000
        let (hour, minute) = (second / 3600, second / 60 % 60)
        return "\(padded(year, 4))-\(padded(month, 2))-\(padded(dayOfMonth, 2))"
            + "T\(padded(hour, 2)):\(padded(minute, 2)):\(padded(second % 60, 2))"
            + ".\(padded(millisecond % 1000, 3))+00:00"
    }

    // MARK: Calendar

    private static func days(inMonth month: Int, of year: Int) -> Int {
        let isLeap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
        return month == 2 ? (isLeap ? 29 : 28) : [4, 6, 9, 11].contains(month) ? 30 : 31
    }

    /// The Gregorian date of a day. Years are counted from March, so that the leap day comes last
    /// and every month before it starts at a fixed day of the year.
    private static func date(
        daysSince1970: Int64
    ) -> (year: Int64, month: Int64, day: Int64) {
        // From 0000-03-01; 400 years have 146,097 days.
        let days = daysSince1970 + 719_468
        let dayOfCycle = positiveRemainder(days, 146_097)
        let cycle = (days - dayOfCycle) / 146_097
        let leapDays = dayOfCycle / 1460 - dayOfCycle / 36_524 + dayOfCycle / 146_096
        let yearOfCycle = (dayOfCycle - leapDays) / 365
        let dayOfYear =
            dayOfCycle - (365 * yearOfCycle + yearOfCycle / 4 - yearOfCycle / 100)
        // Five months from March, or from August, have 153 days.
        let monthFromMarch = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthFromMarch + 2) / 5 + 1
        let month = monthFromMarch < 10 ? monthFromMarch + 3 : monthFromMarch - 9
        return (cycle * 400 + yearOfCycle + (month <= 2 ? 1 : 0), month, day)
    }

    private static func positiveRemainder(_ value: Int64, _ divisor: Int64) -> Int64 {
        let remainder = value % divisor
        return remainder < 0 ? remainder + divisor : remainder
    }

    private static func padded(_ value: Int64, _ width: Int) -> String {
        let digits = String(value)
        return String(repeating: "0", count: max(0, width - digits.count)) + digits
    }

    // MARK: Reading

    private struct Reader {
        var rest: Substring.UTF8View

        mutating func take(_ letter: Unicode.Scalar) -> Bool {
            guard rest.first == UInt8(ascii: letter) else { return false }
            rest.removeFirst()
            return true
        }

        mutating func takeAny(_ letters: String) -> Bool {
            guard let next = rest.first, letters.utf8.contains(next) else { return false }
            rest.removeFirst()
            return true
        }

        mutating func digits(_ count: Int) -> Int? {
            let digits = rest.prefix(count)
            guard digits.count == count, digits.allSatisfy({ (0x30...0x39).contains($0) }) else {
                return nil
            }
            rest.removeFirst(count)
            return digits.reduce(0) { $0 * 10 + Int($1) - 0x30 }
        }

        /// `12:30`, `12:30:15`, `12:30:15.123456`; 60 is a leap second.
        mutating func time() -> Bool {
            guard let hour = digits(2), hour < 24, take(":"), let minute = digits(2), minute < 60
            else { return false }
            guard take(":") else { return true }
            guard let second = digits(2), second <= 60 else { return false }
            guard take(".") else { return true }
            let fraction = rest.prefix { (0x30...0x39).contains($0) }
            rest.removeFirst(fraction.count)
            return !fraction.isEmpty
        }

        /// `Z`, `+01:00`, `-0130`
        mutating func offset() -> Bool {
            if takeAny("Zz") { return true }
            guard takeAny("+-"), let hour = digits(2), hour < 24 else { return false }
            _ = take(":")
            guard let minute = digits(2) else { return false }
            return minute < 60
        }
    }
}
