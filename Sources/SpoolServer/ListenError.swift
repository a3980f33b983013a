/// Why a listener could not be opened: what failed, on which address, and what to do about it.
public struct ListenError: Error, Sendable, CustomStringConvertible {
    /// The kinds of failure a caller may tell apart.
    public enum Code: Sendable, Hashable {
        /// Another process serves this address.
        case addressInUse
        /// This process may not bind there.
        case permission
        /// The path does not fit `sun_path` (unix(7): 108 bytes with its final zero).
        case pathTooLong
        /// The socket's directory does not exist.
        case directoryMissing
        /// Something that is not a socket lies at the path.
        case notASocket
        /// The host is no address of this machine.
        case addressUnavailable
        /// Any other refusal by the kernel.
        case system
    }

    /// What kind of failure it is.
    public let code: Code
    /// The address that could not be bound.
    public let address: ListenAddress
    /// One sentence for the operator.
    public let message: String

    /// A failure on `address`; `message` says what failed and what to do now.
    public init(_ code: Code, _ address: ListenAddress, _ message: String) {
        self.code = code
        self.address = address
        self.message = message
    }

    /// The message, after the address.
    public var description: String { "cannot listen on \(address): \(message)" }
}
