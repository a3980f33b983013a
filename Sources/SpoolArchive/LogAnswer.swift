import SpoolCore

/// The documented answers, written from stored rows. Values of the caller stand in them as they
/// came.
extension JSONWriter {
    /// `CreateLogResponse`. `session_id` is filled only when the log named a session.
    mutating func createdLog(_ log: CreatedLog) {
        beginObject()
        member("id", log.id)
        member("project_id", log.projectID)
        key("session_id")
        if let sessionID = log.sessionID { string(sessionID) } else { null() }
        endObject()
    }

    /// `LogResponse`: the required members, then everything documented that the log has, in the
    /// order of the documentation.
    mutating func log(_ log: StoredLog) throws {
        try log.body.withUnsafeBytes { bytes in
            let members = try JSONPart(stored: bytes).members
            beginObject()
            member("id", log.id)
            if let reference = members["reference_id"] {
                member("reference_id", raw: reference.bytes)
            }
            member("project", log.project)
            member("project_id", log.projectID)
            if let sessionID = log.sessionID { member("session_id", sessionID) }
            key("config")
            config(of: log, members)
            key("evaluation_results")
            array(log.results) { $0.result($1) }
            member("observability_status", "completed")
            member("updated_at", DateTime.text(log.updatedAt))
            if let output = log.output { member("output", raw: output) }
            if let error = log.error { member("error", raw: error) }
            if let duration = log.duration { member("duration", raw: duration) }
            for field in V4Contract.log.fields where !log.answers(field.name) {
                if let value = members[field.name] {
                    key(field.name)
                    raw(value.bytes)
                }
            }
            if let datapoint = log.datapointID, members["source_datapoint_id"] == nil {
                member("source_datapoint_id", datapoint)
            }
            if members["created_at"] == nil {
                member("created_at", DateTime.text(log.receivedAt))
            }
            key("feedback")
            try array(log.feedback) { try $0.feedback($1) }
            endObject()
        }
    }

    /// `FeedbackResponse`. `value` is required in it, and empty where the feedback had none.
    mutating func feedback(_ feedback: StoredFeedback) throws {
        try feedback.body.withUnsafeBytes { bytes in
            let members = try JSONPart(stored: bytes).members
            beginObject()
            member("id", feedback.id)
            if let type = members["type"] { member("type", raw: type.bytes) }
            if let value = members["value"] {
                member("value", raw: value.bytes)
            } else {
                member("value", "")
            }
            member("data_id", feedback.logID)
            if let user = members["user"] { member("user", raw: user.bytes) }
            if let time = members["created_at"] {
                member("created_at", raw: time.bytes)
            } else {
                member("created_at", DateTime.text(feedback.receivedAt))
            }
            endObject()
        }
    }

    /// `EvaluationResultResponse`. Evaluators live outside the archive, so their version is a
    /// placeholder.
    mutating func result(_ result: StoredResult) {
        let time = DateTime.text(result.receivedAt)
        beginObject()
        member("id", result.id)
        member("evaluator_id", result.evaluatorID)
        member("evaluator_version_id", "evv_unknown")
        member("evaluation_id", result.evaluationID)
        member("log_id", result.logID)
        key("value")
        if let value = result.value { raw(value) } else { null() }
        key("error")
        if let error = result.error { raw(error) } else { null() }
        member("created_at", time)
        member("updated_at", time)
        endObject()
    }

    /// An array for an array, one element for one element.
    mutating func elements<Element>(
        _ elements: [Element], _ form: BodyForm,
        _ write: (inout JSONWriter, Element) throws -> Void
    ) rethrows {
        if form == .array {
            try array(elements, write)
        } else {
            for element in elements { try write(&self, element) }
        }
    }

    /// All elements as an array.
    mutating func array<Element>(
        _ elements: [Element], _ write: (inout JSONWriter, Element) throws -> Void
    ) rethrows {
        beginArray()
        for element in elements { try write(&self, element) }
        endArray()
    }

    /// A member with a string.
    mutating func member(_ name: StaticString, _ text: String) {
        key(name)
        string(text)
    }

    /// A member with a value that is JSON already.
    mutating func member(_ name: StaticString, raw value: some Collection<UInt8>) {
        key(name)
        raw(value)
    }

    // MARK: Config

    /// The config as it came, with the `id` and what else the answer's schema requires. A log
    /// without one answers a `generic` config, whose id is the given `config_id` or the log's own.
    private mutating func config(of log: StoredLog, _ members: JSONMembers) {
        let id = ArchiveID.rename(log.id, from: .log, to: .config)
        beginObject()
        if let config = members["config"] {
            let given = config.members
            let isTool = given["type"]?.isString("tool") ?? false
            member("id", id)
            member("type", isTool ? "tool" : "model")
            if isTool { member("status", "committed") }
            for entry in given.entries
            where !["id", "type", "status"].contains(given.name(of: entry)) {
                key(given.name(of: entry))
                raw(entry.value.bytes)
            }
        } else {
            if let given = members["config_id"] {
                member("id", raw: given.bytes)
            } else {
                member("id", id)
            }
            member("type", "generic")
            member("status", "committed")
            member("name", "")
        }
        endObject()
    }
}

extension StoredLog {
    /// Whether the answer holds this member already, from elsewhere than the log's body.
    fileprivate func answers(_ name: StaticString) -> Bool {
        switch name.description {
        case "reference_id", "project", "project_id", "session_id", "config", "feedback": true
        case "output": output != nil
        case "error": error != nil
        case "duration": duration != nil
        default: false
        }
    }
}
