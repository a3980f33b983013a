internal import Glibc

/// A doctor's word to the next opening, as a file beside the spool: read all of it, whatever its size.
///
/// Only its being there counts, so that it works for a doctor who is another user than the daemon.
struct DoctorMark {
    let path: String

    /// - Parameter spool: the spool's file.
    init(beside spool: String) {
        path = spool + "-suspect"
    }

    var isThere: Bool { access(path, F_OK) == 0 }

    /// Returns whether the mark is there now.
    func leave() -> Bool {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o600)
        guard descriptor >= 0 else { return isThere }
        close(descriptor)
        return true
    }

    func takeAway() { unlink(path) }
}
