import ArgumentParser
import SpoolService

/// How a command ends: the codes of sysexits.h, one for each class of failure, so that a script or a unit
/// file can tell them apart. `docs/operating.md` lists them.
enum Ending {
    /// Some input was refused.
    static let refusedInput = ExitCode(65)
    /// A file could not be read.
    static let noInput = ExitCode(66)
    /// Nobody answers there, or the address is taken.
    static let unavailable = ExitCode(69)
    /// The program is at fault.
    static let software = ExitCode(70)
    /// A directory or file cannot be written.
    static let cannotCreate = ExitCode(73)
    /// Somebody else holds the spool, it is full, or its disk is or refuses: try again later.
    static let tryLater = ExitCode(75)
    /// The database belongs to a newer program, or to another one.
    static let foreignDatabase = ExitCode(76)
    /// The settings are wrong.
    static let configuration = ExitCode(78)

    /// The code for what stopped a daemon from starting.
    static func code(for error: any Error) -> ExitCode {
        switch StartFailure(error) {
        case .settings: configuration
        case .held, .disk: tryLater
        case .directory: cannotCreate
        case .address: unavailable
        case .database: foreignDatabase
        case .other: software
        }
    }
}
