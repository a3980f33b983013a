import Testing

/// One operation of the v4 API that is passed through, as an SDK calls it and as upstream answers.
struct LiveOperation: Sendable, CustomTestStringConvertible {
    /// Its row in `docs/api.md`.
    let row: Int
    let name: String
    let method: String
    /// Path and query below the base URL.
    let target: String
    let body: String
    /// The documented status of success.
    let status: Int

    var testDescription: String { "\(row) \(name)" }

    /// What upstream answers here: told apart by its row.
    var answer: String { status == 204 ? "" : "{\"row\" : \(row), \"name\":\"\(name)\"}" }

    private init(
        _ row: Int, _ name: String, _ method: String, _ target: String, _ body: String = "",
        _ status: Int = 200
    ) {
        self.row = row
        self.name = name
        self.method = method
        self.target = target
        self.body = body
        self.status = status
    }

    /// The calls that can answer as a stream of events.
    static let streaming: [LiveOperation] = all.filter { $0.row <= 6 }

    /// All 53.
    static let all: [LiveOperation] = models + datasets + evaluations + others + projects

    private static let models = [
        LiveOperation(
            1, "chat", "POST", "/chat",
            #"{"project":"p","messages":[{"role":"user","content":"ä"}],"model_config":{"model":"m"},"#
                + #""provider_api_keys":{"openai":"sk-secret"},"stream":true}"#),
        LiveOperation(
            2, "chatDeployed", "POST", "/chat-deployed",
            #"{"project":"p","environment":"production","provider_api_keys":{},"stream":true}"#),
        LiveOperation(
            3, "chatModelConfiguration", "POST", "/chat-model-config",
            #"{"model_config_id":"config_1","messages":[],"stream":true}"#),
        LiveOperation(
            4, "complete", "POST", "/completion",
            #"{"project":"p","inputs":{"a":1e-07},"model_config":{"model":"m"},"stream":true}"#),
        LiveOperation(
            5, "completeDeployed", "POST", "/completion-deployed",
            #"{"project_id":"pr_1","inputs":{},"stream":true}"#),
        LiveOperation(
            6, "completeModelConfiguration", "POST", "/completion-model-config",
            #"{"model_config_id":"config_1","num_samples":2,"stream":true}"#),
        LiveOperation(
            39, "modelConfigs.deserialize", "POST", "/model-configs/deserialize",
            #"{"config":"---\nmodel: m\n---"}"#),
        LiveOperation(40, "modelConfigs.export", "POST", "/model-configs/config_1/export"),
        LiveOperation(41, "modelConfigs.get", "GET", "/model-configs/config_1"),
        LiveOperation(
            42, "modelConfigs.register", "POST", "/model-configs",
            #"{"project":"p","model":"gpt-4","prompt_template":"{{x}}"}"#),
        LiveOperation(
            43, "modelConfigs.serialize", "POST", "/model-configs/serialize",
            #"{"model":"gpt-4","endpoint":"chat"}"#),
    ]

    private static let datasets = [
        LiveOperation(
            7, "datapoints.delete", "DELETE", "/datapoints", #"{"ids":["d_1","d_2"]}"#, 204),
        LiveOperation(8, "datapoints.get", "GET", "/datapoints/d_1"),
        LiveOperation(
            9, "datapoints.update", "PATCH", "/datapoints/d_1", #"{"inputs":{"a":"b"}}"#),
        LiveOperation(
            10, "datasets.create", "POST", "/projects/pr_1/datasets",
            #"{"name":"n","description":"d"}"#, 201),
        LiveOperation(
            11, "datasets.createDatapoint", "POST", "/datasets/evts_1/datapoints",
            #"{"log_ids":["data_1","data_2"]}"#, 201),
        LiveOperation(12, "datasets.delete", "DELETE", "/datasets/evts_1"),
        LiveOperation(13, "datasets.get", "GET", "/datasets/evts_1"),
        LiveOperation(14, "datasets.list", "GET", "/datasets"),
        LiveOperation(15, "datasets.listAllForProject", "GET", "/projects/pr_1/datasets"),
        LiveOperation(
            16, "datasets.listDatapoints", "GET", "/datasets/evts_1/datapoints?page=0&size=50"),
        LiveOperation(17, "datasets.update", "PATCH", "/datasets/evts_1", #"{"name":"m"}"#),
    ]

    private static let evaluations = [
        LiveOperation(
            18, "evaluations.addEvaluators", "PATCH", "/evaluations/ev_1/evaluators",
            #"{"evaluator_ids":["evfn_1"]}"#),
        LiveOperation(
            19, "evaluations.create", "POST", "/projects/pr_1/evaluations",
            #"{"dataset_id":"evts_1","evaluator_ids":["evfn_1"],"provider_api_keys":{"openai":"sk-2"}}"#,
            201),
        LiveOperation(
            20, "evaluations.get", "GET", "/evaluations/ev_1?evaluatee_id=evv_1"),
        LiveOperation(
            21, "evaluations.list", "GET",
            "/evaluations?project_id=pr_1&start_date=2024-05-01T00%3A00%3A00%2B02%3A00&size=50&page=0"
        ),
        LiveOperation(
            22, "evaluations.listAllForProject", "GET", "/projects/pr_1/evaluations"),
        LiveOperation(
            23, "evaluations.listDatapoints", "GET", "/evaluations/ev_1/datapoints?page=1&size=10"),
        LiveOperation(
            26, "evaluations.updateStatus", "PATCH", "/evaluations/ev_1/status",
            #"{"status":"running"}"#),
        LiveOperation(
            27, "evaluators.create", "POST", "/evaluators",
            #"{"name":"e","description":"d","arguments_type":"target_free","return_type":"boolean"}"#,
            201),
        LiveOperation(28, "evaluators.delete", "DELETE", "/evaluators/evfn_1", "", 204),
        LiveOperation(29, "evaluators.get", "GET", "/evaluators/evfn_1"),
        LiveOperation(30, "evaluators.list", "GET", "/evaluators"),
        LiveOperation(31, "evaluators.update", "PATCH", "/evaluators/evfn_1", #"{"name":"f"}"#),
    ]

    private static let others = [
        LiveOperation(33, "logs.delete", "DELETE", "/logs?id=data_1&id=data_2", "", 204),
        LiveOperation(34, "logs.get", "GET", "/logs/data_1"),
        LiveOperation(
            35, "logs.list", "GET",
            "/logs?project_id=pr_1&search=a%20b+c&metadata_search=&sort=created_at.desc&sort=source.asc"
                + "&source_filter=x&feedback-rating_filter=good&page=0&size=50"),
        LiveOperation(59, "sessions.get", "GET", "/sessions/sesh_1"),
        LiveOperation(60, "sessions.list", "GET", "/sessions?project_id=pr_1&page=1&size=10"),
    ]

    private static let projects = [
        LiveOperation(44, "projects.create", "POST", "/projects", #"{"name":"p"}"#, 201),
        LiveOperation(
            45, "projects.createFeedbackType", "POST", "/projects/pr_1/feedback-types",
            #"{"type":"rating","values":[{"value":"good","sentiment":"positive"}]}"#, 201),
        LiveOperation(
            46, "projects.deactivateConfig", "DELETE",
            "/projects/pr_1/active-config?environment=dev"),
        LiveOperation(47, "projects.delete", "DELETE", "/projects/pr_1", "", 204),
        LiveOperation(
            48, "projects.deleteDeployedConfig", "DELETE", "/projects/pr_1/deployed-config/env_1"),
        LiveOperation(
            49, "projects.deployConfig", "PATCH", "/projects/pr_1/deploy-config",
            #"{"config_id":"config_1","environments":[{"id":"env_1"}]}"#),
        LiveOperation(50, "projects.export", "POST", "/projects/pr_1/export?page=0&size=10"),
        LiveOperation(51, "projects.get", "GET", "/projects/pr_1"),
        LiveOperation(
            52, "projects.getActiveConfig", "GET", "/projects/pr_1/active-config?environment=dev"),
        LiveOperation(
            53, "projects.list", "GET",
            "/projects?page=0&size=10&organization_filter=o&filter=f&sort_by=created_at&order=desc"),
        LiveOperation(
            54, "projects.listConfigs", "GET", "/projects/pr_1/configs?evaluation_aggregates=true"),
        LiveOperation(55, "projects.listDeployedConfigs", "GET", "/projects/pr_1/deployed-configs"),
        LiveOperation(
            56, "projects.update", "PATCH", "/projects/pr_1", #"{"active_config_id":"config_1"}"#),
        LiveOperation(
            57, "projects.updateFeedbackTypes", "PATCH", "/projects/pr_1/feedback-types",
            #"[{"type":"rating"}]"#),
    ]
}
