import SpoolCore

/// What a caller is told whose log has a reference that is another log's already, where
/// `duplicate_references: refuse` is set.
enum DuplicateReference {
    /// The mistake in one event.
    ///
    /// - Parameter event: the way to it: `body`, an element's index, the key of a stream's line.
    static func mistake(
        _ reference: String, of kind: EventKind, at event: [Mistake.Step]
    ) -> Mistake {
        let inner: [Mistake.Step] = kind == .evaluationLog ? [.name("log")] : []
        let quoted = reference.prefix(Mistake.quotedMax)
        return Mistake(
            loc: event + inner + [.name("reference_id")],
            message: "another log with other bytes is already known under this reference "
                + "(\(quoted)); give this one a reference_id of its own, or update the other",
            type: .value)
    }

    /// 409: nothing of the request was accepted.
    ///
    /// - Parameter index: the element of an array; nil for a body that is the event itself.
    static func refusal(_ reference: String, of kind: EventKind, index: Int?) -> Refusal {
        let element: [Mistake.Step] = index.map { [.index($0)] } ?? []
        return Refusal([mistake(reference, of: kind, at: [.name("body")] + element)], status: 409)
    }
}
