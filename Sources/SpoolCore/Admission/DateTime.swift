/// A point in time as JSON carries it, read without a calendar library.
public struct DateTime: Equatable, Sendable {
    /// The time to the millisecond; without an offset, as if it had been UTC.
    public let time: Timestamp
    /// Whether the text said which zone it means. Without one, two times cannot be compared.
    public let hasOffset: Bool

    /// Reads `YYYY-MM-DD`, or `YYYY-MM-DD[T ]HH:MM[:SS[.fraction]][Z or ±HH[[:]MM]]`: what Python,
    /// JavaScript and RFC 3339 write, and what the API's documentation lists. Digits beyond the
    /// millisecond are dropped; a leap second counts as the next second.
    ///
    /// - Returns: nil for any other text, and for dates that no calendar has.
    public init?(_ text: UnsafeRawBufferPointer) {
        var rest = text[...]
        guard let days = Self.takeDays(&rest) else { return nil }
        var milliseconds = days * 86_400_000
        var hasOffset = false
        if !rest.isEmpty {
            guard Self.take(&rest, anyOf: "Tt ") != nil,
                let ofDay = Self.takeTimeOfDay(&rest)
            else { return nil }
            milliseconds += ofDay
            hasOffset = !rest.isEmpty
        }
        if hasOffset {
            guard let minutes = Self.takeOffset(&rest), rest.isEmpty else { return nil }
            milliseconds -= minutes * 60_000
        }
        self.time = Timestamp(milliseconds: milliseconds)
        self.hasOffset = hasOffset
    }

    /// Reads a date-time from a string.
    public init?(_ text: String) {
        var text = text
        guard let read = text.withUTF8({ DateTime(UnsafeRawBufferPointer($0)) }) else { return nil }
        self = read
    }

    // MARK: Writing

    /// Appends `time` as RFC 3339 with an offset: `2026-01-02T03:04:05.678+00:00`, 29 bytes, the
    /// way the Python SDK writes an aware datetime.
    ///
    /// Years outside 0000...9999, which that format cannot say, are written as the nearest it can.
    public static func append(_ time: Timestamp, to bytes: inout [UInt8]) {
        let milliseconds = min(max(time.milliseconds, Self.first), Self.last)
        let days = (milliseconds - (milliseconds < 0 ? 86_399_999 : 0)) / 86_400_000
        let ofDay = milliseconds - days * 86_400_000
        let date = civil(days)
        appendDigits(date.year, 4, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(date.month, 2, to: &bytes)
        bytes.append(UInt8(ascii: "-"))
        appendDigits(date.day, 2, to: &bytes)
        bytes.append(UInt8(ascii: "T"))
        appendDigits(ofDay / 3_600_000, 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(ofDay / 60_000 % 60, 2, to: &bytes)
        bytes.append(UInt8(ascii: ":"))
        appendDigits(ofDay / 1000 % 60, 2, to: &bytes)
        bytes.append(UInt8(ascii: "."))
        appendDigits(ofDay % 1000, 3, to: &bytes)
        bytes.append(contentsOf: "+00:00".utf8)
    }

    /// `time` as ``append(_:to:)`` writes it.
    public static func text(_ time: Timestamp) -> String {
        var bytes: [UInt8] = []
        append(time, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// 0000-01-01T00:00:00.000Z and 9999-12-31T23:59:59.999Z.
    private static let first: Int64 = -62_167_219_200_000
    private static let last: Int64 = 253_402_300_799_999

    private static func appendDigits(_ value: Int64, _ count: Int, to bytes: inout [UInt8]) {
        var divisor: Int64 = 1
        for _ in 1..<count { divisor *= 10 }
        while divisor > 0 {
            bytes.append(UInt8(ascii: "0") + UInt8(value / divisor % 10))
            divisor /= 10
        }
    }

    // MARK: The calendar

    // Both directions count from 1 March of the year 0, so that the leap day is the last of its
    // year and every 400 years (146,097 days) look the same; 719,468 days lie between that day and
    // 1970.

    /// Days since 1970-01-01 of a date in the Gregorian calendar.
    static func days(year: Int64, month: Int64, day: Int64) -> Int64 {
        let monthOfYear = (month + 9) % 12
        let year = month <= 2 ? year - 1 : year
        let era = (year >= 0 ? year : year - 399) / 400
        let yearOfEra = year - era * 400
        let dayOfYear = (153 * monthOfYear + 2) / 5 + day - 1
        let dayOfEra = yearOfEra * 365 + yearOfEra / 4 - yearOfEra / 100 + dayOfYear
        return era * 146_097 + dayOfEra - 719_468
    }

    /// The date that lies so many days after 1970-01-01.
    static func civil(_ days: Int64) -> (year: Int64, month: Int64, day: Int64) {
        let days = days + 719_468
        let era = (days >= 0 ? days : days - 146_096) / 146_097
        let dayOfEra = days - era * 146_097
        let leapDays = dayOfEra / 1460 - dayOfEra / 36_524 + dayOfEra / 146_096
        let yearOfEra = (dayOfEra - leapDays) / 365
        let dayOfYear = dayOfEra - (365 * yearOfEra + yearOfEra / 4 - yearOfEra / 100)
        let monthOfYear = (5 * dayOfYear + 2) / 153
        let day = dayOfYear - (153 * monthOfYear + 2) / 5 + 1
        let month = monthOfYear < 10 ? monthOfYear + 3 : monthOfYear - 9
        return (yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day)
    }

    private static func length(ofMonth month: Int64, year: Int64) -> Int64 {
        switch month {
        case 2: year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) ? 29 : 28
        case 4, 6, 9, 11: 30
        default: 31
        }
    }

    // MARK: Reading

    private typealias Text = Slice<UnsafeRawBufferPointer>

    private static func takeDays(_ text: inout Text) -> Int64? {
        guard let year = takeNumber(&text, digits: 4), take(&text, anyOf: "-") != nil,
            let month = takeNumber(&text, digits: 2), (1...12).contains(month),
            take(&text, anyOf: "-") != nil,
            let day = takeNumber(&text, digits: 2), day >= 1,
            day <= length(ofMonth: month, year: year)
        else { return nil }
        return days(year: year, month: month, day: day)
    }

    private static func takeTimeOfDay(_ text: inout Text) -> Int64? {
        guard let hour = takeNumber(&text, digits: 2), hour <= 23, take(&text, anyOf: ":") != nil,
            let minute = takeNumber(&text, digits: 2), minute <= 59
        else { return nil }
        var milliseconds = (hour * 60 + minute) * 60_000
        guard take(&text, anyOf: ":") != nil else { return milliseconds }
        guard let second = takeNumber(&text, digits: 2), second <= 60 else { return nil }
        milliseconds += second * 1000
        guard take(&text, anyOf: ".") != nil else { return milliseconds }
        guard var digit = takeNumber(&text, digits: 1) else { return nil }
        var unit: Int64 = 100
        while true {
            milliseconds += digit * unit
            unit /= 10
            guard let next = takeNumber(&text, digits: 1) else { return milliseconds }
            digit = next
        }
    }

    /// The offset in minutes east of UTC.
    private static func takeOffset(_ text: inout Text) -> Int64? {
        guard let sign = take(&text, anyOf: "Zz+-") else { return nil }
        guard sign == UInt8(ascii: "+") || sign == UInt8(ascii: "-") else { return 0 }
        guard let hour = takeNumber(&text, digits: 2), hour <= 23 else { return nil }
        var minutes = hour * 60
        if !text.isEmpty {
            _ = take(&text, anyOf: ":")
            guard let minute = takeNumber(&text, digits: 2), minute <= 59 else { return nil }
            minutes += minute
        }
        return sign == UInt8(ascii: "-") ? -minutes : minutes
    }

    private static func take(_ text: inout Text, anyOf bytes: StaticString) -> UInt8? {
        guard let first = text.first else { return nil }
        let isWanted = bytes.withUTF8Buffer { $0.contains(first) }
        guard isWanted else { return nil }
        text.removeFirst()
        return first
    }

    private static func takeNumber(_ text: inout Text, digits: Int) -> Int64? {
        guard text.count >= digits else { return nil }
        var value: Int64 = 0
        for byte in text.prefix(digits) {
            let digit = byte &- UInt8(ascii: "0")
            guard digit < 10 else { return nil }
            value = value * 10 + Int64(digit)
        }
        text.removeFirst(digits)
        return value
    }
}
