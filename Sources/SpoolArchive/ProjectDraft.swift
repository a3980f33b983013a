/// A project to be made. A directory that it names is not kept: this archive has none.
struct ProjectDraft: Sendable {
    let name: String

    /// A draft from a checked body.
    init(_ project: JSONPart) {
        // Safety: a required member, and the body was checked.
        name = project.members.string("name")!
    }
}
