import SpoolCore
import SpoolQueue
import Testing

@testable import SpoolService

@Suite("Bounds and what happens at them")
struct SpoolPolicyTests {
    private let home = ["HOME": "/home/ada", "PWD": "/srv/here"]

    @Test("are the documented ones by default")
    func defaults() throws {
        let settings = try SettingsReader.daemon(flags: [:], environment: home)
        #expect(settings.policy == SpoolPolicy())
        #expect(settings.policy.bytesMax == 2 << 30)
        #expect(settings.policy.ageMax == nil)
    }

    @Test("are read from flags and the environment, with units")
    func given() throws {
        let settings = try SettingsReader.daemon(
            flags: [
                .maxBytes: "64MiB", .onFull: "drop_oldest", .deadMaxBytes: "1000",
                .maxAge: "7d", .maxInFlight: "32",
            ],
            environment: home.merging([
                "LOOPSPOOL_MIN_FREE_DISK": "1GiB", "LOOPSPOOL_DEAD_ON_FULL": "drop_oldest",
                "LOOPSPOOL_IN_DOUBT": "resend", "LOOPSPOOL_ACCEPT_BARE_2XX": "on",
            ]) { $1 })
        var expected = SpoolPolicy()
        expected.bytesMax = 64 << 20
        expected.freeDiskBytesMin = 1 << 30
        expected.onFull = .dropOldest
        expected.deadBytesMax = 1000
        expected.deadOnFull = .dropOldest
        expected.ageMax = .seconds(7 * 86_400)
        expected.inDoubt = .resend
        expected.inFlightMax = 32
        expected.acceptsBare2xx = true
        #expect(settings.policy == expected)
    }

    @Test(
        "are refused where they make no sense, with the setting, the value and what would be right",
        arguments: [
            (SettingsReader.Name.maxBytes, "2 GB", "2GiB"), (.maxBytes, "-1", "2GiB"),
            (.maxBytes, "99999999999999TiB", "2GiB"), (.maxAge, "soon", "7d"),
            (.maxAge, "0s", "7d"),
            (.onFull, "drop", "drop_oldest"), (.maxInFlight, "0", "1 to 256"),
            (.acceptBare2xx, "yes", "on, off"),
        ])
    func mistakes(name: SettingsReader.Name, value: String, hint: String) throws {
        let error = try #require(throws: SettingsError.self) {
            try SettingsReader.daemon(flags: [name: value], environment: home)
        }
        #expect(error.mistakes.count == 1)
        #expect(error.description.contains("\(name.rawValue): '\(value)'"))
        #expect(error.description.contains(hint))
    }
}
