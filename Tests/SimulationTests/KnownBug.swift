/// What is known to be wrong and is kept out of the histories until it is mended, so that it does not
/// hide what else may be wrong.
enum KnownBug: CaseIterable {
    /// A log in doubt is taken for another of its name that was accepted after it was leased.
    case takenForNamesake
    /// A circle of logs of which several share a name is not found.
    case hiddenCircle
    /// The id of a session whose only log was discarded travels as it is.
    case sessionOfDiscarded

    /// Those that are not mended yet.
    static let open: Set<KnownBug> = [.takenForNamesake, .hiddenCircle, .sessionOfDiscarded]
}
