import SpoolCore

/// Something this spool has accepted, as one of its provisional ids names it.
struct ProvisionalThing: Hashable, Sendable {
    let thing: SpoolIdentity.Thing
    let sequence: EventSequence
}

extension SpoolIdentity {
    /// What a text stands for when it is, as a whole, a provisional id of this spool.
    func thing(namedBy text: String) -> ProvisionalThing? {
        for thing in Thing.allCases {
            if let sequence = sequence(of: thing, in: text) {
                return ProvisionalThing(thing: thing, sequence: sequence)
            }
        }
        return nil
    }
}
