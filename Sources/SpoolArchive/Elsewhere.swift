/// What only the hosted service could do: asked for it, the archive says what there is instead.
enum Elsewhere {
    case models
    case datasets
    case evaluations
    case evaluators
    case configs
    case deployments
    case feedbackTypes
    case projectChanges

    /// What follows the operation's name in its answer.
    var words: String {
        switch self {
        case .models:
            "calls a model provider, which only the hosted service could do; call the provider "
                + "from the app and send what came back with POST /logs"
        case .datasets:
            "is about datasets, which this archive does not have; name a datapoint in a log's "
                + "source_datapoint_id, it is kept as given"
        case .evaluations:
            "is about evaluation runs, which this archive does not have; it takes their logs and "
                + "results with POST /evaluations/{id}/log and /result for any id, and shows "
                + "results in GET /logs"
        case .evaluators:
            "is about evaluators, which this archive does not have; judge in the app and send "
                + "results with POST /evaluations/{id}/result"
        case .configs:
            "is about registered configs, which this archive does not have; give each log its "
                + "config, it is kept as given"
        case .deployments:
            "is about deployed configs, which this archive does not have; keep the config in the "
                + "app and give it with each log"
        case .feedbackTypes:
            "declares feedback types, which this archive does not have; it takes any type"
        case .projectChanges:
            "changes or deletes a project, which this archive does not have a way to do; delete "
                + "logs with DELETE /logs?id="
        }
    }
}
