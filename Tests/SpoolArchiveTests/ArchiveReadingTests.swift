import SpoolCore
import SpoolServer
import Testing

@testable import SpoolArchive

/// The plain list: pages of a project, newest first.
struct ArchiveReadingTests {
    @Test func `pages go from the newest log to the oldest without gap or repeat`() async throws {
        let archive = try ArchiveFixture()
        var ids: [String] = []
        for index in 0..<7 {
            ids.append(try await archive.log(#"{"project":"p","source":"\#(index)"}"#))
            _ = try await archive.log(#"{"project":"other"}"#)
        }
        let project = try #require(
            try await archive.ask("GET", "/logs/\(ids[0])")["project_id"]?.stringValue)
        var listed: [String] = []
        for page in 0..<4 {
            let answer = try await archive.ask(
                "GET", "/v4/logs?project_id=\(project)&size=3&page=\(page)&colour=red&x")
            #expect(answer.members?.map(\.0) == ["records", "page", "size", "total"])
            #expect(answer["page"]?.intValue == page)
            #expect(answer["size"]?.intValue == 3)
            #expect(answer["total"]?.intValue == 7)
            listed += (answer["records"]?.elements ?? []).compactMap { $0["id"]?.stringValue }
        }
        #expect(listed == ids.reversed())
        await archive.remove()
    }

    @Test func `a page holds what GET answers for each log, 50 without a size`() async throws {
        let archive = try ArchiveFixture()
        let logs = Array(repeating: #"{"project":"p","output":"o"}"#, count: 60)
        let answer = try await archive.ask("POST", "/logs", "[\(logs.joined(separator: ","))]")
        let project = try #require(answer[0]?["project_id"]?.stringValue)
        let page = try await archive.ask("GET", "/logs?project_id=\(project)")
        #expect(page["records"]?.elements?.count == 50)
        let newest = try #require(answer[59]?["id"]?.stringValue)
        #expect(try await archive.ask("GET", "/logs/\(newest)") == page["records"]?[0])
        let far = try await archive.ask(
            "GET", "/logs?project_id=\(project)&page=\(Int.max)&size=1000")
        #expect(far["records"] == .array([]))
        await archive.remove()
    }

    @Test func `a page too large for memory is refused, one log never is`() async throws {
        let archive = try ArchiveFixture { $0.pageBytesMax = 2000 }
        let output = String(repeating: "x", count: 3000)
        let answer = try await archive.ask(
            "POST", "/logs", #"[{"project":"p","output":"\#(output)"},{"project":"p"}]"#)
        let project = try #require(answer[0]?["project_id"]?.stringValue)
        #expect(
            try await archive.mistakes("/logs?project_id=\(project)", "", method: "GET")
                == ["query.size value_error"])
        for page in 0..<2 {
            try await archive.ask("GET", "/logs?project_id=\(project)&size=1&page=\(page)")
        }
        await archive.remove()
    }
}
