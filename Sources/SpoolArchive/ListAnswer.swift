import SpoolCore

/// The documented answers about projects and sessions, and the frame of every page.
extension JSONWriter {
    /// `ProjectResponse`. The archive knows no users and no feedback types; all projects belong to
    /// the one team that the archive is.
    mutating func project(_ project: StoredProject, teamID: String) {
        beginObject()
        member("id", project.id)
        member("name", project.name)
        key("users")
        beginArray()
        endArray()
        key("data_count")
        int(project.logs)
        key("feedback_types")
        beginArray()
        endArray()
        member("team_id", teamID)
        member("created_at", DateTime.text(project.createdAt))
        member("updated_at", DateTime.text(project.updatedAt))
        endObject()
    }

    /// `SessionResponse`. What kind of file a project is, nobody said: `prompt` is a placeholder.
    mutating func session(_ session: StoredSession) throws {
        beginObject()
        member("id", session.id)
        if let reference = session.reference { member("reference_id", reference) }
        key("projects")
        array(session.projects) { writer, project in
            writer.beginObject()
            writer.member("id", project.id)
            writer.member("name", project.name)
            writer.member("type", "prompt")
            writer.endObject()
        }
        key("datapoints_count")
        int(session.logs)
        member("created_at", DateTime.text(session.createdAt))
        member("updated_at", DateTime.text(session.updatedAt))
        try session.first?.body.withUnsafeBytes { body in
            if let inputs = try JSONPart(stored: body).members["inputs"] {
                member("first_inputs", raw: inputs.bytes)
            }
        }
        if let output = session.last?.output {
            member("last_output", raw: output)
        } else {
            try session.last?.body.withUnsafeBytes { body in
                if let output = try JSONPart(stored: body).members["output"] {
                    member("last_output", raw: output.bytes)
                }
            }
        }
        endObject()
    }

    /// A whole page.
    mutating func page<Record>(
        _ records: [Record], _ page: Int, _ size: Int, total: Int64,
        _ write: (inout JSONWriter, Record) throws -> Void
    ) rethrows {
        beginObject()
        key("records")
        try array(records, write)
        endPage(page, size, total: total)
    }

    /// What follows the records of a page.
    mutating func endPage(_ page: Int, _ size: Int, total: Int64) {
        key("page")
        int(page)
        key("size")
        int(size)
        key("total")
        int(total)
        endObject()
    }
}
