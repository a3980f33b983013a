/// What becomes of a log whose reference is known already, with other bytes.
public enum DuplicateReferences: String, Sendable, CaseIterable {
    /// It is another log, as upstream's API has it: the TypeScript SDK's helper logs all samples of
    /// one call under one reference.
    case accept
    /// It is refused with ``AppendRefusal/duplicate(index:reference:)``.
    case refuse
}
