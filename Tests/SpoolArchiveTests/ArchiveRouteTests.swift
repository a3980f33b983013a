import SpoolCore
import SpoolServer
import Testing

@testable import SpoolArchive

/// All operations of the v4 API, against a list written down independently of the archive's table:
/// each is served, or answers 501 with what there is instead.
struct ArchiveRouteTests {
    /// What an operation does here.
    private enum Expected: Equatable {
        /// Served: answers this status to a request that names nothing, or nothing that is here.
        case served(Int)
        /// 501, with this word of explanation.
        case elsewhere(String)
    }

    private static let operations: [(method: String, path: String, Expected)] = [
        ("POST", "/chat", .elsewhere("model provider")),
        ("POST", "/chat-deployed", .elsewhere("model provider")),
        ("POST", "/chat-model-config", .elsewhere("model provider")),
        ("POST", "/completion", .elsewhere("model provider")),
        ("POST", "/completion-deployed", .elsewhere("model provider")),
        ("POST", "/completion-model-config", .elsewhere("model provider")),
        ("DELETE", "/datapoints", .elsewhere("out of service")),
        ("GET", "/datapoints/{id}", .elsewhere("datasets")),
        ("PATCH", "/datapoints/{id}", .elsewhere("out of service")),
        ("POST", "/projects/{id}/datasets", .elsewhere("datasets")),
        ("POST", "/datasets/{id}/datapoints", .elsewhere("datasets")),
        ("DELETE", "/datasets/{id}", .elsewhere("datasets")),
        ("GET", "/datasets/{id}", .elsewhere("datasets")),
        ("GET", "/datasets", .elsewhere("datasets")),
        ("GET", "/projects/{id}/datasets", .elsewhere("datasets")),
        ("GET", "/datasets/{id}/datapoints", .elsewhere("datasets")),
        ("PATCH", "/datasets/{id}", .elsewhere("datasets")),
        ("PATCH", "/evaluations/{id}/evaluators", .elsewhere("evaluation runs")),
        ("POST", "/projects/{id}/evaluations", .elsewhere("evaluation runs")),
        ("GET", "/evaluations/{id}", .elsewhere("evaluation runs")),
        ("GET", "/evaluations", .elsewhere("evaluation runs")),
        ("GET", "/projects/{id}/evaluations", .elsewhere("evaluation runs")),
        ("GET", "/evaluations/{id}/datapoints", .elsewhere("evaluation runs")),
        ("POST", "/evaluations/{id}/log", .served(422)),
        ("POST", "/evaluations/{id}/result", .served(422)),
        ("PATCH", "/evaluations/{id}/status", .elsewhere("evaluation runs")),
        ("POST", "/evaluators", .elsewhere("evaluators")),
        ("DELETE", "/evaluators/{id}", .elsewhere("evaluators")),
        ("GET", "/evaluators/{id}", .elsewhere("evaluators")),
        ("GET", "/evaluators", .elsewhere("evaluators")),
        ("PATCH", "/evaluators/{id}", .elsewhere("evaluators")),
        ("POST", "/feedback", .served(422)),
        ("DELETE", "/logs", .served(422)),
        ("GET", "/logs/{id}", .served(404)),
        ("GET", "/logs", .served(422)),
        ("POST", "/logs", .served(422)),
        ("PATCH", "/logs/{id}", .served(404)),
        ("PATCH", "/logs", .served(422)),
        ("POST", "/model-configs/deserialize", .elsewhere("registered configs")),
        ("POST", "/model-configs/{id}/export", .elsewhere("registered configs")),
        ("GET", "/model-configs/{id}", .elsewhere("registered configs")),
        ("POST", "/model-configs", .elsewhere("registered configs")),
        ("POST", "/model-configs/serialize", .elsewhere("registered configs")),
        ("POST", "/projects", .served(422)),
        ("POST", "/projects/{id}/feedback-types", .elsewhere("feedback types")),
        ("DELETE", "/projects/{id}/active-config", .elsewhere("deployed configs")),
        ("DELETE", "/projects/{id}", .elsewhere("DELETE /logs")),
        ("DELETE", "/projects/{id}/deployed-config/{id}", .elsewhere("deployed configs")),
        ("PATCH", "/projects/{id}/deploy-config", .elsewhere("deployed configs")),
        ("POST", "/projects/{id}/export", .served(404)),
        ("GET", "/projects/{id}", .served(404)),
        ("GET", "/projects/{id}/active-config", .elsewhere("deployed configs")),
        ("GET", "/projects", .served(200)),
        ("GET", "/projects/{id}/configs", .elsewhere("registered configs")),
        ("GET", "/projects/{id}/deployed-configs", .elsewhere("deployed configs")),
        ("PATCH", "/projects/{id}", .elsewhere("DELETE /logs")),
        ("PATCH", "/projects/{id}/feedback-types", .elsewhere("out of service")),
        ("POST", "/sessions", .served(201)),
        ("GET", "/sessions/{id}", .served(404)),
        ("GET", "/sessions", .served(422)),
    ]

    @Test func `the list has all 60 operations, and the archive's table the same`() {
        let listed = Set(Self.operations.map { "\($0.method) \($0.path)" })
        #expect(listed.count == 60)
        let table = ArchiveRoute.table.map {
            "\($0.method) /" + $0.path.joined(separator: "/")
        }
        #expect(table.count == 60)
        #expect(Set(table) == listed)
    }

    @Test(arguments: operations.indices)
    func `an operation is served, or says what there is instead`(index: Int) async throws {
        let archive = try ArchiveFixture()
        let (method, path, expected) = Self.operations[index]
        for prefix in ["", "/v4/"] {
            let target = prefix + path.replacing("{id}", with: "x%2Fy")
            let answer = await archive.send(method, target, "{}")
            switch expected {
            case .served(let status):
                #expect(answer.status == status, "\(method) \(target): \(answer.text)")
            case .elsewhere(let word):
                #expect(answer.status == 501)
                let detail = try JSONValue(parsing: answer.body)["detail"]?.stringValue ?? ""
                #expect(detail.hasPrefix("\(method) \(target)"), "names the operation")
                #expect(detail.contains(word), "\(detail)")
            }
        }
        #expect(archive.archive.status.logs == 0)
        await archive.remove()
    }
}
