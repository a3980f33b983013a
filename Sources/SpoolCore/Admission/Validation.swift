/// How much of the documented contract a caller is held to.
public enum Validation: String, Sendable, CaseIterable {
    /// Only what cannot be spooled, or what the API's specification forbids, is refused: an app
    /// that forgets its events once they are sent must not lose one to a door stricter than
    /// upstream.
    case lenient
    /// What the documents do not list is refused as well: keys they do not name, values outside
    /// their lists, and parts of a log, such as messages and config, that are not as they describe.
    case strict
}
