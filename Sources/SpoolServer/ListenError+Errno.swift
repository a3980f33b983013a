import Glibc
import NIOCore

extension ListenError {
    /// What the kernel's refusal means for `address`, and what to do about it.
    init(errno code: Int32, _ address: ListenAddress) {
        switch code {
        case EADDRINUSE:
            self.init(
                .addressInUse, address,
                "another process listens there; stop it or choose another address")
        case EACCES, EPERM, EROFS:
            self.init(
                .permission, address,
                "permission denied; run as a user that may create it, or choose another address")
        case ENOENT, ENOTDIR:
            self.init(
                .directoryMissing, address,
                "its directory does not exist; create it or choose another path")
        case EADDRNOTAVAIL:
            self.init(
                .addressUnavailable, address,
                "the host is no address of this machine; choose 127.0.0.1 or [::1]")
        default:
            self.init(
                .system, address,
                "\(String(cString: strerror(code))) (errno \(code)); check the address and limits")
        }
    }

    /// The same for an error of the event loop.
    init(_ error: any Error, _ address: ListenAddress) {
        switch error {
        case let error as ListenError:
            self = error
        case let error as IOError:
            self.init(errno: error.errnoCode, address)
        case is SocketAddressError:
            self.init(
                .addressUnavailable, address,
                "the host cannot be resolved; give an IP address, for example 127.0.0.1")
        default:
            self.init(.system, address, "\(error); check the address")
        }
    }
}
