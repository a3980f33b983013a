import SpoolCore
import SpoolServer
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// Lists against a naive model: many logs, many questions, steps of every size.
struct ArchiveListModelTests {
    /// A log as the model knows it.
    private struct Model {
        let name: String
        let minute: Int
        let model: String?
        let text: String
        let tag: String
        let rating: Int?
    }

    private static let words = ["rome", "Paris", "OSLO", "bern"]

    private static func logs(_ count: Int, _ random: inout SeededRandom) -> [Model] {
        (0..<count).map { index in
            Model(
                name: "n\(index)", minute: Int.random(in: 0..<40, using: &random),
                model: Bool.random(using: &random)
                    ? ["a", "b", "c"].randomElement(using: &random) : nil,
                text: words.randomElement(using: &random) ?? "",
                tag: words.randomElement(using: &random) ?? "",
                rating: Bool.random(using: &random) ? Int.random(in: 0..<12, using: &random) : nil)
        }
    }

    private static func time(_ minute: Int) -> String {
        "2024-05-01T12:\(minute < 10 ? "0" : "")\(minute):00Z"
    }

    private static func body(_ log: Model) -> String {
        var members = [
            #""project":"p""#, #""source":"\#(log.name)""#, #""created_at":"\#(time(log.minute))""#,
            #""inputs":{"q":["the \#(log.text)"]}"#, #""metadata":{"tag":"\#(log.tag)"}"#,
        ]
        if let model = log.model { members.append(#""config":{"model":"\#(model)"}"#) }
        if let rating = log.rating {
            members.append(#""feedback":{"type":"rating","value":\#(rating)}"#)
        }
        return "{\(members.joined(separator: ","))}"
    }

    /// One random question, as a query and as what the model answers: names in order.
    private static func question(
        _ logs: [Model], _ random: inout SeededRandom
    ) -> (query: String, answer: [String]) {
        var query: [String] = []
        var listed = Array(logs.enumerated())
        if Int.random(in: 0..<3, using: &random) == 0,
            let word = words.randomElement(using: &random)
        {
            query.append("search=\(word.uppercased())")
            listed = listed.filter { $0.element.text == word }
        }
        if Int.random(in: 0..<4, using: &random) == 0,
            let word = words.randomElement(using: &random)
        {
            query.append("metadata_search=\(word)")
            listed = listed.filter { $0.element.tag == word }
        }
        if Bool.random(using: &random) {
            let from = Int.random(in: 0..<40, using: &random)
            query.append("start_date=\(time(from))")
            listed = listed.filter { $0.element.minute >= from }
        }
        if Bool.random(using: &random) {
            let through = Int.random(in: 0..<40, using: &random)
            query.append("end_date=\(time(through))")
            listed = listed.filter { $0.element.minute <= through }
        }
        if Int.random(in: 0..<4, using: &random) == 0 {
            query.append("model_filter=a&model_filter=c")
            listed = listed.filter { ["a", "c"].contains($0.element.model) }
        }
        // By the least of all, newest first; then by each order, from the last to the first.
        listed.sort { ($0.element.minute, $0.offset) > ($1.element.minute, $1.offset) }
        var orders: [(String, Bool)] = []
        for column in ["model", "feedback-rating", "timestamp", "source"].shuffled(using: &random)
            .prefix(Int.random(in: 0..<3, using: &random))
        {
            orders.append((column, Bool.random(using: &random)))
        }
        for (column, isAscending) in orders {
            query.append("sort=\(column).\(isAscending ? "asc" : "desc")")
        }
        if orders.map(\.0) == ["timestamp"], orders[0].1 { listed.reverse() }
        if orders.map(\.0) != ["timestamp"] {
            for (column, isAscending) in orders.reversed() {
                listed = stablySorted(listed, column, isAscending)
            }
        }
        return (query.joined(separator: "&"), listed.map(\.element.name))
    }

    private static func stablySorted(
        _ logs: [(offset: Int, element: Model)], _ column: String, _ isAscending: Bool
    ) -> [(offset: Int, element: Model)] {
        func key(_ log: Model) -> String? {
            func padded(_ value: Int) -> String {
                String(repeating: "0", count: value < 10 ? 1 : 0) + "\(value)"
            }
            return switch column {
            case "model": log.model
            case "feedback-rating": log.rating.map(padded)
            case "timestamp": padded(log.minute)
            default: log.name
            }
        }
        return logs.enumerated().sorted { one, other in
            let (left, right) = (key(one.element.element), key(other.element.element))
            guard left != right else { return one.offset < other.offset }
            guard let left else { return false }
            guard let right else { return true }
            return (left < right) == isAscending
        }.map(\.element)
    }

    @Test(arguments: [(seed: 1, stepBytesMax: 4 << 20), (2, 1), (3, 2000), (4, 300)])
    func `every question is answered as the model does`(seed: Int, stepBytesMax: Int) async throws {
        let archive = try ArchiveFixture { $0.stepBytesMax = stepBytesMax }
        var random = SeededRandom(seed: UInt64(seed))
        let logs = Self.logs(700, &random)
        let answer = try await archive.ask(
            "POST", "/logs", "[\(logs.map(Self.body).joined(separator: ","))]")
        let project = try #require(answer[0]?["project_id"]?.stringValue)
        for _ in 0..<25 {
            let (query, expected) = Self.question(logs, &random)
            let size = [1, 7, 50, 1000].randomElement(using: &random) ?? 1
            let page = Int.random(in: 0...(expected.count / size), using: &random)
            let found = try await archive.sources(
                "/logs?project_id=\(project)&\(query)&size=\(size)&page=\(page)")
            #expect(found.total == expected.count, "\(query)")
            #expect(
                found.sources == Array(expected.dropFirst(page * size).prefix(size)),
                "\(query) size \(size) page \(page)")
        }
        await archive.remove()
    }
}
