import SpoolCore

/// Dates and times as the API writes them (RFC 3339), in both directions.
enum DateTimeText {
    /// Whether a text is a date-time the API takes: `2024-05-01T12:30:15.123Z`, an offset `+00:00`
    /// or `+0000` instead of `Z`, no offset, no fraction, no seconds, or the date alone. The SDKs
    /// send the first three; the others are documented for queries.
    static func isDateTime(_ text: String) -> Bool { time(text) != nil }

    /// The time that a date-time names, nil for any other text. Without an offset it is taken for
    /// UTC; a date is its first moment; digits beyond the millisecond are dropped.
    static func time(_ text: String) -> Timestamp? {
        var reader = Reader(rest: Substring(text).utf8)
        guard let year = reader.digits(4), reader.take("-"), let month = reader.digits(2),
            reader.take("-"), let day = reader.digits(2)
        else { return nil }
        guard (1...12).contains(month), (1...days(inMonth: month, of: year)).contains(day) else {
            return nil
        }
        var milliseconds = daysSince1970(year: year, month: month, day: day) * dayMilliseconds
        if reader.rest.isEmpty { return Timestamp(milliseconds: milliseconds) }
        guard reader.takeAny("Tt "), let ofDay = reader.time() else { return nil }
        milliseconds += ofDay
        if !reader.rest.isEmpty {
            guard let offset = reader.offset(), reader.rest.isEmpty else { return nil }
            milliseconds -= offset
        }
        return Timestamp(milliseconds: milliseconds)
    }

    /// Whether a date-time is a date alone.
    static func isDate(_ text: String) -> Bool { text.utf8.count == 10 }

    /// Milliseconds of a day; a leap second belongs to the next one.
    static let dayMilliseconds: Int64 = 86_400_000

    /// A time as `2024-05-01T12:30:15.123+00:00`, which the Python SDK parses.
    static func text(_ time: Timestamp) -> String {
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

    /// The day of a Gregorian date, counted as in ``date(daysSince1970:)``.
    private static func daysSince1970(year: Int, month: Int, day: Int) -> Int64 {
        let yearFromMarch = Int64(month <= 2 ? year - 1 : year)
        let monthFromMarch = Int64(month <= 2 ? month + 9 : month - 3)
        let yearOfCycle = positiveRemainder(yearFromMarch, 400)
        let leapDays = yearOfCycle / 4 - yearOfCycle / 100
        let dayOfYear = (153 * monthFromMarch + 2) / 5 + Int64(day) - 1
        return (yearFromMarch - yearOfCycle) / 400 * 146_097 + 365 * yearOfCycle + leapDays
            + dayOfYear - 719_468
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

        /// Milliseconds of `12:30`, `12:30:15` or `12:30:15.123456`; 60 is a leap second.
        mutating func time() -> Int64? {
            guard let hour = digits(2), hour < 24, take(":"), let minute = digits(2), minute < 60
            else { return nil }
            var milliseconds = (hour * 60 + minute) * 60_000
            guard take(":") else { return Int64(milliseconds) }
            guard let second = digits(2), second <= 60 else { return nil }
            milliseconds += second * 1000
            guard take(".") else { return Int64(milliseconds) }
            let fraction = rest.prefix { (0x30...0x39).contains($0) }
            rest.removeFirst(fraction.count)
            guard !fraction.isEmpty else { return nil }
            for (digit, value) in zip(fraction, [100, 10, 1]) {
                milliseconds += (Int(digit) - 0x30) * value
            }
            return Int64(milliseconds)
        }

        /// Milliseconds of `Z`, `+01:00` or `-0130`.
        mutating func offset() -> Int64? {
            if takeAny("Zz") { return 0 }
            let isNegative = rest.first == UInt8(ascii: "-")
            guard takeAny("+-"), let hour = digits(2), hour < 24 else { return nil }
            _ = take(":")
            guard let minute = digits(2), minute < 60 else { return nil }
            let milliseconds = Int64((hour * 60 + minute) * 60_000)
            return isNegative ? -milliseconds : milliseconds
        }
    }
}
