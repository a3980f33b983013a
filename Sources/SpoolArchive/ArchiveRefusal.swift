/// Why the store did not do what a request asked. Nothing was written.
enum ArchiveRefusal: Error {
    /// What the body names is not here.
    case mistakes(Mistakes)
    /// What the path or query names is not here; the text says what.
    case unknown(String)
}
