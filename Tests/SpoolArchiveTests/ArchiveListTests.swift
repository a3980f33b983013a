import SpoolCore
import SpoolServer
import Testing

@testable import SpoolArchive

/// Every parameter of `GET /logs`, one by one.
struct ArchiveListTests {
    /// An archive whose project `p` has these logs, each with its index as `source`.
    private static func holding(
        _ members: [String], _ change: (inout ArchiveSettings) -> Void = { _ in }
    ) async throws -> (archive: ArchiveFixture, target: String, ids: [String]) {
        let archive = try ArchiveFixture(change)
        let bodies = members.enumerated().map { index, members in
            #"{"project":"p","source":"\#(index)"\#(members.isEmpty ? "" : ",")\#(members)}"#
        }
        // Logs of other projects stand between them.
        let body = bodies.joined(separator: #",{"project":"other","source":"x"},"#)
        let answer = try await archive.ask("POST", "/logs", "[\(body)]")
        let ids = (answer.elements ?? []).compactMap { $0["id"]?.stringValue }.enumerated()
            .filter { $0.offset % 2 == 0 }.map(\.element)
        let project = try #require(answer[0]?["project_id"]?.stringValue)
        return (archive, "/logs?project_id=\(project)", ids)
    }

    // MARK: Search

    private static let searched = [
        #""inputs":{"question":"What is Rome?","deep":[{"n":42.50}]},"output":"The capital""#,
        #""messages":[{"role":"user","content":"caf\u00e9 in ROME"}]"#,
        #""messages":[{"role":"user","content":[{"type":"text","text":"a \"quoted\" word"}]}]"#,
        #""output_message":{"role":"assistant","content":"rome-antic"},"metadata":{"k":"paris"}"#,
        #""output":"it is true","inputs":{"flag":true},"metadata":{"Rome":{"a":[7]}}"#,
        #""save":false,"inputs":{"question":"Rome"},"output":"Rome""#,
        #""error":"Rome","stdout":"Rome","config":{"model":"Rome"}"#,
    ]

    @Test(arguments: [
        ("search=rome", ["3", "1", "0"]), ("search=Rome%3F", ["0"]), ("search=42.50", ["0"]),
        ("search=question", []), ("search=true", ["4"]), ("search=CAF%C3%A9", ["1"]),
        ("search=CAF%C3%89", []), ("search=a+%22quoted%22+w", ["2"]), ("search=a%20%5C%22q", []),
        ("search=capital&search=rome", ["3", "1", "0"]), ("search=paris", []),
        ("search=", ["6", "5", "4", "3", "2", "1", "0"]), ("search=zzz", []),
        ("metadata_search=paris", ["3"]), ("metadata_search=rome", ["4"]),
        ("metadata_search=7", ["4"]), ("metadata_search=k&search=rome", ["3"]),
        ("metadata_search=k&search=capital", []), ("search=The+capital", ["0"]),
    ])
    func `search finds a part of what went in and came out`(query: String, expected: [String])
        async throws
    {
        let (archive, target, _) = try await Self.holding(Self.searched)
        let found = try await archive.sources("\(target)&\(query)")
        #expect(found.sources == expected)
        #expect(found.total == expected.count)
        await archive.remove()
    }

    @Test func `search sees the output that an update gave, and no longer the one before`()
        async throws
    {
        let (archive, target, ids) = try await Self.holding([#""output":"before""#, ""])
        try await archive.ask("PATCH", "/logs/\(ids[0])", #"{"output":"aft\u0065r"}"#)
        #expect(try await archive.sources("\(target)&search=after").sources == ["0"])
        #expect(try await archive.sources("\(target)&search=before").sources == [])
        await archive.remove()
    }

    // MARK: Dates

    private static let dated = [
        "2024-04-30T23:59:59.999Z", "2024-05-01", "2024-05-01T12:00:00", "2024-05-01T23:30:00-0130",
        "2024-05-01T23:59:59.999999+00:00", "2024-05-02T00:00:00+00:00",
    ].map { #""created_at":"\#($0)""# }

    @Test(arguments: [
        ("", ["3", "5", "4", "2", "1", "0"]),
        ("start_date=2024-05-01", ["3", "5", "4", "2", "1"]),
        ("end_date=2024-05-01", ["4", "2", "1", "0"]),
        ("start_date=2024-05-01&end_date=2024-05-01", ["4", "2", "1"]),
        ("start_date=2024-05-01T12:00&end_date=2024-05-02T00:00:00Z", ["5", "4", "2"]),
        ("start_date=2024-05-01T12:00:00.001Z&end_date=2024-05-01", ["4"]),
        ("start_date=2024-05-02T01:00:00%2B01:00&end_date=2024-05-02T00:00", ["5"]),
        ("start_date=2024-05-02T01:00:00+01:00&end_date=2024-05-02T00:00", ["5"]),
        ("start_date=2024-05-02T00:00:00Z&end_date=2024-05-01T00:00:00Z", []),
        ("start_date=2025-01-01", []), ("end_date=0001-01-01", []),
        ("sort=timestamp.asc&start_date=2024-05-01&end_date=2024-05-01", ["1", "2", "4"]),
    ])
    func `dates are both included, and a date that ends means its whole day`(
        query: String, expected: [String]
    ) async throws {
        let (archive, target, _) = try await Self.holding(Self.dated)
        let found = try await archive.sources("\(target)&\(query)")
        #expect(found.sources == expected)
        #expect(found.total == expected.count)
        await archive.remove()
    }

    @Test func `a log without a time of its own is listed under that of its arrival`() async throws
    {
        let (archive, target, ids) = try await Self.holding(
            ["", #""created_at":null"#, #""created_at":"2024-05-01""#])
        #expect(try await archive.sources(target).sources == ["1", "0", "2"])
        let time = try await archive.ask("GET", "/logs/\(ids[0])")["created_at"]?.stringValue
        let exact = try #require(time).replacing("+", with: "%2B")
        let found = try await archive.sources("\(target)&start_date=\(exact)&end_date=\(exact)")
        #expect(found.sources == ["1", "0"])
        await archive.remove()
    }

    // MARK: Sessions

    @Test func `a session's logs are those of the project`() async throws {
        let (archive, target, ids) = try await Self.holding([
            #""session_reference_id":"s","created_at":"2024-05-03""#, "",
            #""session_reference_id":"t""#,
            #""session_reference_id":"s","created_at":"2024-05-02""#,
            #""session_reference_id":"s","created_at":"2024-05-04""#,
        ])
        try await archive.ask(
            "POST", "/logs", #"{"project":"other","session_reference_id":"s","source":"x"}"#)
        let log = try await archive.ask("GET", "/logs/\(ids[0])")
        let session = try #require(log["session_id"]?.stringValue)
        let list = "\(target)&session_id=\(session)"
        let all = try await archive.sources(list)
        #expect(all.sources == ["4", "0", "3"])
        #expect(all.total == 3)
        #expect(try await archive.sources("\(list)&start_date=2024-05-03").sources == ["4", "0"])
        #expect(try await archive.sources("\(list)&end_date=2024-05-03").sources == ["0", "3"])
        #expect(try await archive.sources("\(list)&sort=source.asc").sources == ["0", "3", "4"])
        let second = try await archive.sources("\(list)&size=2&page=1")
        #expect(second.sources == ["3"])
        #expect(second.total == 3)
        try await archive.ask("GET", "\(target)&session_id=sesh_x", status: 404)
        await archive.remove()
    }

    // MARK: Order

    private static let sortable = [
        #""config":{"model":"b"},"feedback":{"type":"rating","value":10}"#,
        #""config":{"model":"a"},"feedback":[{"type":"rating","value":"good"},"#
            + #"{"type":"tone","value":["z","y"]}]"#,
        #""config":{"type":"tool","name":"n","model":7},"feedback":{"type":"rating","value":9.5}"#,
        #""config":{"model":"b"},"created_at":"2024-05-01","feedback":{"type":"tone","value":"a"}"#,
    ]

    @Test(arguments: [
        ("sort=source.asc", ["0", "1", "2", "3"]), ("sort=source.desc", ["3", "2", "1", "0"]),
        ("sort=model.asc", ["1", "0", "3", "2"]), ("sort=model.desc", ["0", "3", "1", "2"]),
        ("sort=timestamp.asc", ["3", "0", "1", "2"]),
        ("sort=timestamp.desc", ["2", "1", "0", "3"]),
        ("sort=model.asc&sort=source.desc", ["1", "3", "0", "2"]),
        ("sort=model.desc&sort=timestamp.asc", ["3", "0", "1", "2"]),
        ("sort=timestamp.desc&sort=source.asc", ["0", "1", "2", "3"]),
        ("sort=feedback-rating.asc", ["2", "0", "1", "3"]),
        ("sort=feedback-rating.desc", ["1", "0", "2", "3"]),
        ("sort=feedback-tone.asc", ["3", "1", "2", "0"]),
        ("sort=feedback.asc", ["2", "0", "3", "1"]),
        ("sort=feedback-none.asc", ["2", "1", "0", "3"]),
    ])
    func `a list is sorted by columns, logs without a value last`(query: String, expected: [String])
        async throws
    {
        let (archive, target, _) = try await Self.holding(Self.sortable)
        let found = try await archive.sources("\(target)&\(query)")
        #expect(found.sources == expected)
        #expect(found.total == 4)
        var paged: [String] = []
        for page in 0..<4 {
            paged += try await archive.sources("\(target)&\(query)&size=1&page=\(page)").sources
        }
        #expect(paged == expected, "page by page")
        await archive.remove()
    }

    @Test func `the latest feedback of a type counts, and one that unsets is none`() async throws {
        let (archive, target, ids) = try await Self.holding(
            Array(repeating: #""feedback":{"type":"rating","value":"b"}"#, count: 3))
        try await archive.ask(
            "POST", "/feedback",
            """
            [{"type":"rating","value":"a","data_id":"\(ids[2])"},
            {"type":"other","value":"z","data_id":"\(ids[2])"},
            {"type":"rating","unset":true,"data_id":"\(ids[0])"}]
            """)
        let sorted = try await archive.sources("\(target)&sort=feedback-rating.asc")
        #expect(sorted.sources == ["2", "1", "0"])
        let good = try await archive.sources("\(target)&feedback-rating_filter=b")
        #expect(good.sources == ["1"])
        await archive.remove()
    }

    // MARK: Filters

    @Test(arguments: [
        ("source_filter=1", ["1"]), ("source_filter=1&source_filter=3", ["1", "3"]),
        ("model_filter=b", ["0", "3"]), ("model_filter=7", []),
        ("model_filter=b&source_filter=0", ["0"]), ("feedback-rating_filter=9.5", ["2"]),
        ("feedback-tone_filter=y", ["1"]), ("feedback-rating_filter=good&sort=source.asc", ["1"]),
        ("evaluator-evfn_1_filter=true", ["2"]), ("evaluator-evfn_2_filter=true", []),
        ("version_status=committed", ["2", "1", "0", "3"]), ("version_status=deleted", []),
        ("colour_filter=red&colour=red", ["2", "1", "0", "3"]),
    ])
    func `a filter lists the logs that have one of its values`(query: String, expected: [String])
        async throws
    {
        var members = Self.sortable
        members[2] += #","source_datapoint_id":"d""#
        let (archive, target, ids) = try await Self.holding(members)
        for result in ["false", "true"] {
            try await archive.ask(
                "POST", "/evaluations/e/result",
                #"{"log_id":"\#(ids[2])","evaluator_id":"evfn_1","result":\#(result)}"#,
                status: 201)
        }
        let found = try await archive.sources("\(target)&\(query)")
        #expect(found.sources == expected)
        #expect(found.total == expected.count)
        await archive.remove()
    }

    // MARK: Bad input

    @Test(arguments: [
        ("", ["query.project_id missing"]),
        ("project_id=p&page=-1", ["query.page int_type"]),
        ("project_id=p&page=1.5&size=0", ["query.page int_type", "query.size int_type"]),
        ("project_id=p&size=1001", ["query.size int_type"]),
        ("project_id=p&size=99999999999999999999", ["query.size int_type"]),
        ("project_id=p&sort=source", ["query.sort value_error"]),
        (
            "project_id=p&sort=colour.asc&sort=source.up&sort=.asc&sort=timestamp.asc",
            Array(repeating: "query.sort value_error", count: 3)
        ),
        (
            "project_id=p&start_date=soon&end_date=2024-13-01",
            ["query.start_date datetime_parsing", "query.end_date datetime_parsing"]
        ),
        ("project_id=p&start_date=", ["query.start_date datetime_parsing"]),
        ("project_id=p&version_status=new", ["query.version_status literal_error"]),
        (
            "size=x&page=y&sort=z&start_date=1&version_status=2",
            [
                "query.project_id missing", "query.page int_type", "query.size int_type",
                "query.start_date datetime_parsing", "query.sort value_error",
                "query.version_status literal_error",
            ]
        ),
    ])
    func `wrong parameters are refused, all at once`(query: String, expected: [String])
        async throws
    {
        let archive = try ArchiveFixture()
        #expect(try await archive.mistakes("/logs?\(query)", "", method: "GET") == expected)
        await archive.remove()
    }

    @Test func `a project that is not here is 404`() async throws {
        let archive = try ArchiveFixture()
        for query in ["", "&search=x", "&sort=source.asc", "&version_status=deleted"] {
            try await archive.ask("GET", "/logs?project_id=pr_x\(query)", status: 404)
        }
        await archive.remove()
    }

    @Test(arguments: ["", "&search=o", "&sort=source.asc", "&start_date=2000-01-01"])
    func `a page beyond the last is empty, with the total`(query: String) async throws {
        let (archive, target, _) = try await Self.holding(
            Array(repeating: #""output":"o""#, count: 3))
        for page in [1, 2, 1_000_000_007, Int.max] {
            let found = try await archive.sources("\(target)\(query)&size=3&page=\(page)")
            #expect(found.sources == [])
            #expect(found.total == 3)
        }
        #expect(try await archive.sources("\(target)\(query)&size=3&page=0").sources.count == 3)
        await archive.remove()
    }
}
