import FuzzKit
import NIOCore
import SpoolCore
import SpoolServer

@testable import SpoolArchive

/// Whatever is asked of the archive, it answers; what it writes is read again as it was, and a search
/// finds what a naive reader does.
@main
enum ArchiveInput {
    static func main() {
        Fuzzer.run { input in
            var choices = Choices(input)
            let method = choices.one(of: ["GET", "POST", "PATCH", "DELETE"])
            let path = text(choices.text(upTo: UInt8(ascii: "?")))
            let query = text(choices.text(upTo: 0))
            let body = choices.text
            checkRoute(method, path)
            checkQuery(query)
            checkBody(body)
            checkTime(path)
            checkRecord(body)
            checkSearch(query, body)
        }
    }

    private static func text(_ bytes: [UInt8]) -> String { String(decoding: bytes, as: UTF8.self) }

    private static func checkRoute(_ method: String, _ path: String) {
        switch ArchiveRoute.find(method: method, path: path) {
        case .found(let route):
            let isAnywhere = path.contains("%") || path.contains(route.id)
            require(isAnywhere || route.id.contains("\u{FFFD}"), "\(route.id) of \(path)")
        case .otherMethods(let methods):
            require(!methods.isEmpty && !methods.contains(method), "\(methods)")
        case .unknownPath: break
        }
    }

    private static func checkQuery(_ text: String) {
        let query = ArchiveQuery(text)
        var mistakes = Mistakes()
        let list = LogQuery(query, &mistakes)
        require((1...LogQuery.sizeMax).contains(list.size), "a page of \(list.size)")
        require(list.page >= 0 && list.offset >= 0, "page \(list.page), offset \(list.offset)")
        for filter in list.filters {
            require(!filter.values.isEmpty && !filter.admits(nil), "\(filter)")
        }
        require(Set(list.filters.map { "\($0.column)" }).count == list.filters.count, "twice")
        let export = LogQuery(exportOf: "pr_1", query, &mistakes)
        require((1...LogQuery.sizeMax).contains(export.size), "a page of \(export.size)")
    }

    /// Each body is read by all operations: accepted, or refused by a status that says whose fault
    /// it is.
    private static func checkBody(_ bytes: [UInt8]) {
        let body = ByteBuffer(bytes: bytes)
        let readings: [() throws -> Void] = [
            { _ = try ArchiveBody.logs(body) },
            { _ = try ArchiveBody.feedback(body) },
            { _ = try ArchiveBody.update(body) },
            { _ = try ArchiveBody.evaluationLog(body, evaluation: "ev_1", evaluatee: nil) },
            { _ = try ArchiveBody.result(body, evaluation: "ev_1", evaluatee: "evv_1") },
            { _ = try ArchiveBody.project(body) },
        ]
        let isJSON = (try? JSONValue(parsing: bytes, depthMax: Limits.jsonDepthMax)) != nil
        for read in readings {
            do {
                try read()
                let isDeeper = (try? JSONValue(parsing: bytes, depthMax: 65)) != nil
                require(isDeeper, "no JSON, but read: \(shown(bytes))")
            } catch let refused as ArchiveBody.Refused {
                let status = refused.answer.status
                require(status == 400 || status == 422, "status \(status)")
                require(status == 422 || !isJSON, "JSON was refused as none: \(shown(bytes))")
            } catch {
                require(false, "\(error)")
            }
        }
    }

    /// A date-time that was read is written as the same time, where the format can say it.
    private static func checkTime(_ text: String) {
        guard let time = DateTime(text)?.time else { return }
        let first = Timestamp(milliseconds: -62_167_219_200_000)
        let last = Timestamp(milliseconds: 253_402_300_799_999)
        guard (first...last).contains(time) else { return }
        let written = DateTime.text(time)
        require(DateTime(written)?.time == time, "\(text) as \(written)")
    }

    /// The recorded string gives the bytes back.
    private static func checkRecord(_ bytes: [UInt8]) {
        let quoted = bytes.withUnsafeBytes { RequestRecord.quoted($0) }
        let slice = quoted.withUnsafeBytes { try? JSONScanner.validate($0) }
        require(slice?.kind == .string, "no string: \(shown(quoted))")
        var units: [UInt8] = []
        var rest = quoted.dropFirst().dropLast()
        while let byte = rest.popFirst() {
            guard byte == UInt8(ascii: "\\"), let escape = rest.popFirst() else {
                units.append(byte)
                continue
            }
            guard escape == UInt8(ascii: "u") else {
                let letters: [UInt8: UInt8] = [0x62: 8, 0x66: 12, 0x6E: 10, 0x72: 13, 0x74: 9]
                units.append(letters[escape] ?? escape)
                continue
            }
            let digits = String(decoding: rest.prefix(4), as: UTF8.self)
            rest = rest.dropFirst(4)
            // A control character, or \udcXX for a byte that is no UTF-8.
            units.append(UInt8(truncatingIfNeeded: Int(digits, radix: 16) ?? 0))
        }
        require(units == bytes, "\(shown(bytes)) became \(shown(quoted))")
    }

    /// Searching finds what looking at every place finds.
    private static func checkSearch(_ wanted: String, _ text: [UInt8]) {
        let wanted = String(wanted.prefix(16))
        guard let term = SearchTerm(wanted) else { return require(wanted.isEmpty, wanted) }
        let folded = text.map(lowercase)
        let pattern = wanted.utf8.map(lowercase)
        let isThere = folded.indices.contains { folded[$0...].starts(with: pattern) }
        require(term.isFound(in: text) == isThere, "\(wanted) in \(shown(text))")
        _ = text.withUnsafeBytes { try? term.isFound(in: $0, names: true) }
    }

    private static func lowercase(_ byte: UInt8) -> UInt8 {
        (0x41...0x5A).contains(byte) ? byte + 0x20 : byte
    }
}
