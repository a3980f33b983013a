internal import Glibc
internal import SpoolIngest

/// The file with the token that is asked of callers on TCP.
public struct TokenFile: Sendable {
    /// Where it lies.
    public let path: String
    /// What it holds. Never printed, never stored.
    let token: AccessToken

    /// Bytes of a token: what nobody guesses, up to what fits into a head beside the rest.
    private static let tokenBytes = 16...4096

    /// Reads a token that is this user's and root's alone.
    ///
    /// - Throws: what is wrong with the file, and what to do; never its content.
    public init(path: String) throws(TokenFileError) {
        let bytes = try Self.contents(of: path)
        self.path = path
        self.token = AccessToken(try Self.line(in: bytes, of: path))
    }

    private static func contents(of path: String) throws(TokenFileError) -> [UInt8] {
        // Not waiting, or a pipe without a writer would keep the daemon from starting.
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)
        guard descriptor >= 0 else {
            throw TokenFileError(
                "cannot read \(path): \(String(cString: strerror(errno))); it must be a file of "
                    + "the daemon's user, with mode 0600")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw TokenFileError("\(path) is not a regular file; name the file with the token")
        }
        let mode = status.st_mode & 0o7777
        guard mode == 0o600 || mode == 0o400 || Self.isCredential(status) else {
            throw TokenFileError(
                "\(path) has the mode 0\(String(mode, radix: 8)), so others may know the token; "
                    + "make a new one, with mode 0600")
        }
        guard status.st_uid == geteuid() || status.st_uid == 0 else {
            throw TokenFileError(
                "\(path) belongs to the user \(status.st_uid); give it to the daemon's user "
                    + "(\(geteuid())) or to root")
        }
        var bytes = [UInt8](repeating: 0, count: tokenBytes.upperBound + 2)
        let count = read(descriptor, &bytes, bytes.count)
        guard count >= 0 else {
            throw TokenFileError("cannot read \(path): \(String(cString: strerror(errno)))")
        }
        return Array(bytes.prefix(count))
    }

    /// Whether a file may be one that systemd's `LoadCredential=` made for this service: root's,
    /// and opened to the service by an access list, whose mask is shown in the group's place
    /// (acl(5)).
    private static func isCredential(_ status: stat) -> Bool {
        status.st_uid == 0 && status.st_gid == 0 && status.st_mode & 0o7777 == 0o440
    }

    private static func line(
        in bytes: [UInt8], of path: String
    ) throws(TokenFileError) -> String {
        let line = bytes.last == UInt8(ascii: "\n") ? bytes.dropLast() : bytes[...]
        guard line.allSatisfy({ $0 > 0x20 && $0 < 0x7F }) else {
            throw TokenFileError(
                "\(path) holds a space, a second line or a character that is not printable ASCII; "
                    + "write one line, e.g. with: openssl rand -hex 32")
        }
        guard tokenBytes.contains(line.count) else {
            throw TokenFileError(
                "\(path) holds a token of \(line.count > tokenBytes.upperBound ? "more than " : "")"
                    + "\(min(line.count, tokenBytes.upperBound)) bytes; take one of "
                    + "\(tokenBytes.lowerBound) to \(tokenBytes.upperBound), e.g. from: "
                    + "openssl rand -hex 32")
        }
        return String(decoding: line, as: UTF8.self)
    }
}

/// A token that cannot be used.
public struct TokenFileError: Error, CustomStringConvertible {
    /// What is wrong, with what, and what to do now.
    public let description: String

    init(_ description: String) {
        self.description = description
    }
}
