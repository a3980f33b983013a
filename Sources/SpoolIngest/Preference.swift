import NIOHTTP1
import SpoolCore

/// What a request prefers (RFC 7240): the door knows `wait` alone, section 4.3.
enum Preference {
    /// How many seconds the answer may wait for the delivery, at most ``Limits/preferredWaitMax``;
    /// nil when the request does not say, or not in a form that can be read.
    static func waitSeconds(_ headers: HTTPHeaders) -> Int? {
        for field in headers["prefer"] {
            for preference in field.split(separator: ",") {
                // Parameters of a preference come behind a semicolon; `wait` has none.
                let words = preference.split(separator: ";").first ?? ""
                let parts = words.split(
                    separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
                guard trimmed(parts.first ?? "").lowercased() == "wait" else { continue }
                // Of several, only the first counts (section 2).
                return parts.count == 2 ? seconds(trimmed(parts[1])) : nil
            }
        }
        return nil
    }

    private static func seconds(_ text: Substring) -> Int? {
        let isQuoted = text.count >= 2 && text.first == "\"" && text.last == "\""
        let digits = isQuoted ? text.dropFirst().dropLast() : text
        guard !digits.isEmpty, digits.utf8.allSatisfy({ (0x30...0x39).contains($0) }) else {
            return nil
        }
        // What does not fit in an integer is more than the most.
        return min(Int(digits) ?? .max, Int(Limits.preferredWaitMax.components.seconds))
    }

    private static func trimmed(_ text: Substring) -> Substring {
        let isSpace: (Character) -> Bool = { $0 == " " || $0 == "\t" }
        let front = text.drop(while: isSpace)
        guard let last = front.lastIndex(where: { !isSpace($0) }) else { return "" }
        return front[...last]
    }
}
