/// Why the queue cannot be opened.
public enum QueueError: Error, Sendable, CustomStringConvertible {
    /// Another process holds the spool.
    case held(path: String, pid: Int?)
    /// The directory or a file in it cannot be used.
    case unusable(path: String, errno: Int32, words: String)
    /// The file opens, but what it says cannot be.
    case damaged(String, String)
    /// A damaged file could not be salvaged; it is where it was.
    case unsalvaged(path: String, damage: String, cause: String)

    /// What is wrong, with what, and what to do now.
    public var description: String {
        switch self {
        case .held(let path, let pid):
            """
            \(path) is held by another loopspool\(pid.map { " (pid \($0))" } ?? ""). \
            Stop that one first, or give this one a state directory of its own (--state-dir).
            """
        case .unusable(let path, _, let words):
            """
            Cannot use \(path): \(words). Create the directory, make it writable for this user, or \
            name another one with --state-dir.
            """
        case .damaged(let path, let what):
            "\(path) is damaged: \(what). Move the file away to start with an empty spool."
        case .unsalvaged(let path, let damage, let cause):
            """
            Salvaging the damaged spool \(path) failed: \(cause). Make room for a second copy of it \
            on its disk, and look at the disk: the next start tries again. Or move the file and its log \
            away to start with an empty spool. What is wrong with it: \(damage)
            """
        }
    }
}
