import SpoolService
import Testing

/// Found by `make fuzz TARGET=settings`.
@Suite("Settings that hold secrets, or nothing")
struct SettingsSecretsTests {
    @Test(
        "a password in the upstream's address is not repeated, whatever else is wrong with it",
        arguments: [
            "ftp://user:hunter22@host", "https://user:hunter22@host/v4?x=1",
            "https://user:hunter22@host#x", "user:hunter22@host", "https://user:hunter22@",
            "https://user:hunter22@\u{301}host", "https://user:hunter22@host/v4", "hunter22@x://h",
        ])
    func password(address: String) throws {
        let error = try #require(throws: SettingsError.self) {
            _ = try SettingsReader.daemon(flags: [.upstream: address], environment: ["HOME": "/h"])
        }
        #expect(!error.description.contains("hunter22"))
        #expect(error.description.contains("--upstream"))
    }

    @Test("a base URL's query is found though a combining mark follows its ?")
    func query() {
        #expect(throws: SettingsError.self) {
            try SettingsReader.daemon(
                flags: [.upstream: "http://h/v4?\u{301}"], environment: ["HOME": "/h"])
        }
    }

    @Test("a STATE_DIRECTORY of separators alone counts as absent", arguments: [":", "::"])
    func separators(unit: String) throws {
        let settings = try SettingsReader.daemon(
            flags: [:], environment: ["HOME": "/h", "STATE_DIRECTORY": unit])
        #expect(settings.stateDirectory == "/h/.local/state/loopspool")
    }
}
