import SpoolCore

/// What lists find and sort a log by.
struct ListingFacts: Sendable {
    /// The caller's own time, where it gave one.
    var createdAt: Timestamp?
    var source: String?
    /// The model of a config that is one.
    var model: String?

    /// The facts of a log of which nothing is known.
    init() {}

    /// The facts of a log that keeps every rule.
    init(_ log: JSONMembers) {
        createdAt = log.string("created_at").flatMap { DateTime($0)?.time }
        source = log.string("source")
        // The config of a tool is open: what is called model there is the caller's own affair.
        if let config = log["config"]?.members, config["type"]?.isString("tool") != true {
            model = config.string("model")
        }
    }
}
