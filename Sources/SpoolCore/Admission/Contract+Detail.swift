extension Contract {
    /// What the documents say of a value beyond its type. Asked under ``Validation/strict`` only.
    ///
    /// A value of another kind than a case speaks of is none of its business: the field's types
    /// have judged that one.
    public indirect enum Detail: Sendable {
        /// A string is one of these.
        case listed([StaticString])
        /// An object keeps this contract, and has no other keys.
        case object(Contract)
        /// An array's elements have one of these types and keep this detail. Null is no element.
        case elements(Types, Detail? = nil)
        /// An object keeps the contract that stands beside its `type`; without a type, the first.
        case byType([(type: StaticString, contract: Contract)])
        /// An object that has an `id` keeps the first contract, every other the second.
        case byID(Contract, otherwise: Contract)
    }
}
