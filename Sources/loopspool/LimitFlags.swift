import ArgumentParser
import SpoolService

/// The bounds that `run` takes as flags; `config/loopspool.env` says more about each.
struct LimitFlags: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What the spool may hold before callers get 503. (default: 2GiB)", valueName: "size"))
    var maxBytes: String?

    @Option(
        help: ArgumentHelp(
            "Free disk below which nothing is accepted. (default: 512MiB)", valueName: "size"))
    var minFreeDisk: String?

    @Option(help: ArgumentHelp("When the spool is full: refuse, drop_oldest.", valueName: "policy"))
    var onFull: String?

    @Option(help: ArgumentHelp("What dead letters may take. (default: 512MiB)", valueName: "size"))
    var deadMaxBytes: String?

    @Option(
        help: ArgumentHelp(
            "Without room for dead letters: park, drop_oldest.", valueName: "policy"))
    var deadOnFull: String?

    @Option(
        help: ArgumentHelp(
            "Discard what is unsent for so long, e.g. 30d. (default: none)", valueName: "time"))
    var maxAge: String?

    @Option(
        help: ArgumentHelp("About logs whose answer was lost: ask, resend.", valueName: "policy"))
    var inDoubt: String?

    @Option(
        help: ArgumentHelp("Requests to upstream at a time. (default: 8)", valueName: "count"))
    var maxInFlight: String?

    @Option(
        name: .customLong("accept-bare-2xx"),
        help: ArgumentHelp("Count a 2xx without ids as delivered: on, off.", valueName: "switch"))
    var acceptBare2xx: String?

    var given: [SettingsReader.Name: String] {
        var flags: [SettingsReader.Name: String] = [:]
        flags[.maxBytes] = maxBytes
        flags[.minFreeDisk] = minFreeDisk
        flags[.onFull] = onFull
        flags[.deadMaxBytes] = deadMaxBytes
        flags[.deadOnFull] = deadOnFull
        flags[.maxAge] = maxAge
        flags[.inDoubt] = inDoubt
        flags[.maxInFlight] = maxInFlight
        flags[.acceptBare2xx] = acceptBare2xx
        return flags
    }
}
