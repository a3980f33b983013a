import Foundation
import Testing

/// House rules that a review would forget.
@Suite("The house rules")
struct TidyTests {
    /// What a module of ours may import of ours, and which packages it may touch.
    private let imports: [String: Set<String>] = [
        "SpoolCore": [],
        "SpoolSQLite": ["CLinux", "CSQLite", "Glibc", "Synchronization"],
        "SpoolServer": [
            "SpoolCore", "CLinux", "Glibc", "Synchronization", "NIOCore", "NIOPosix", "NIOHTTP1",
        ],
        "SpoolIngest": [
            "SpoolCore", "SpoolServer", "Glibc", "Synchronization", "NIOCore", "NIOPosix",
            "NIOHTTP1",
        ],
        "SpoolQueue": ["SpoolCore", "SpoolSQLite", "Glibc", "Synchronization"],
        "SpoolSender": [
            "SpoolCore", "AsyncHTTPClient", "Glibc", "Synchronization", "NIOCore", "NIOHTTP1",
        ],
        "SpoolArchive": [
            "SpoolCore", "SpoolServer", "SpoolSQLite", "Glibc", "Synchronization", "NIOCore",
            "NIOHTTP1",
        ],
    ]

    @Test("a module imports what its place in the data path allows, and nothing else")
    func importTable() throws {
        for (module, allowed) in imports {
            for file in try Repository.files("Sources/" + module, ending: ".swift") {
                for line in try Repository.text(file).split(separator: "\n") {
                    let words = line.split(separator: " ")
                    guard let place = words.firstIndex(of: "import"), place <= 1,
                        words.count == place + 2
                    else { continue }
                    let name = String(words[place + 1])
                    #expect(allowed.contains(name), "\(file) imports \(name)")
                }
            }
        }
    }

    @Test("only three files know the HTTP client: its settings, deliveries, and live calls")
    func clientFiles() throws {
        let users = try Repository.files("Sources/SpoolSender", ending: ".swift").filter {
            try Repository.text($0).contains("import AsyncHTTPClient")
        }
        let expected = [
            "HTTPLiveTransport.swift", "HTTPTransport.swift", "UpstreamConnections.swift",
        ]
        #expect(users == expected.map { "Sources/SpoolSender/" + $0 })
    }

    @Test(
        "no stage reads a clock or draws chance by itself", arguments: ["SpoolCore", "SpoolQueue"])
    func noHiddenInputs(module: String) throws {
        let banned = [
            "Date()", "Task.sleep", "clock_gettime", "SystemRandomNumberGenerator",
        ]
        for file in try Repository.files("Sources/" + module, ending: ".swift") {
            let text = try Repository.text(file)
            for call in banned { #expect(!text.contains(call), "\(file) calls \(call)") }
            for line in text.split(separator: "\n") where line.contains(".random(in:") {
                #expect(line.contains("using:"), "\(file) draws from the system: \(line)")
            }
        }
    }

    @Test("a source file stays within 400 lines, and nothing is called Utils")
    func sizes() throws {
        for file in try Repository.files("Sources", ending: ".swift") {
            let lines = try Repository.text(file).split(
                separator: "\n", omittingEmptySubsequences: false)
            #expect(lines.count <= 401, "\(file) has \(lines.count) lines: split it by concept")
            for name in ["Util", "Helper", "Common", "Manager", "Misc"] {
                #expect(!file.contains(name), "\(file): name it after what it is")
            }
        }
    }

    @Test("the architecture names every module")
    func architecture() throws {
        let text = try Repository.text("docs/ARCHITECTURE.md")
        for module in try Repository.folders("Sources") {
            #expect(
                text.contains("`\(module)`"),
                "docs/ARCHITECTURE.md does not say what \(module) does")
        }
    }

    @Test(
        "every guarantee names tests that exist",
        arguments: [
            ("README.md", "## What is guaranteed"), ("docs/guarantees.md", "## The promises"),
            ("docs/guarantees.md", "## What neighbours' users complain about"),
        ])
    func guarantees(file: String, heading: String) throws {
        let tests = try Repository.testNames()
        let text = try Repository.text(file)
        let start = try #require(text.range(of: heading))
        let rest = text[start.upperBound...]
        let section = rest[..<(rest.firstRange(of: "\n## ")?.lowerBound ?? rest.endIndex)]
        let table = section.split(separator: "\n").filter { $0.hasPrefix("| ") }
        #expect(table.count > 8)
        for row in table.dropFirst() {
            let cell = try #require(
                row.split(separator: "|").last { !$0.allSatisfy(\.isWhitespace) })
            let names = cell.split(separator: "`").map(String.init)
                .filter { $0.contains(where: \.isLetter) }
            #expect(!names.isEmpty, "no test in: \(row)")
            for name in names {
                #expect(
                    tests.contains(name), "\(file) names the test \(name), which does not exist")
            }
        }
    }

    @Test("the API's 60 operations are each in the table, once, with a test that exists")
    func operations() throws {
        let files = try Repository.files("Tests", ending: ".swift")
        let makefile = try Repository.text("Makefile")
        let rows = try Repository.text("docs/api.md").split(separator: "\n").compactMap { line in
            let cells = line.split(separator: "|").map { $0.trimmingCharacters(in: .whitespaces) }
            return cells.count == 6 ? Int(cells[0]).map { ($0, cells[5]) } : nil
        }
        #expect(rows.map(\.0) == Array(1...60))
        for (number, shownBy) in rows {
            let names = shownBy.split(separator: "`").map(String.init)
                .filter { $0.hasPrefix("make ") || $0.hasSuffix("Tests") }
            #expect(!names.isEmpty, "operation \(number) names no test: \(shownBy)")
            for name in names {
                let exists =
                    name.hasPrefix("make ")
                    ? makefile.contains("\n" + name.dropFirst(5) + ":")
                    : files.contains { $0.hasSuffix("/\(name).swift") }
                #expect(exists, "operation \(number) is shown by \(name), which does not exist")
            }
        }
    }

    @Test("every setting of the daemon is in the example configuration")
    func settings() throws {
        let example = try Repository.text("config/loopspool.env")
        let reader = try Repository.text("Sources/SpoolService/DaemonSettings.swift")
        let flags = reader.split(separator: "\"").filter { $0.hasPrefix("--") && !$0.contains(" ") }
        #expect(flags.count >= 5)
        for flag in flags {
            let variable = "LOOPSPOOL_" + flag.dropFirst(2).replacing("-", with: "_").uppercased()
            #expect(example.contains(variable), "config/loopspool.env does not explain \(variable)")
        }
        #expect(example.contains("LOOPSPOOL_API_KEY"))
    }

    @Test("relative links in the documents lead somewhere")
    func links() throws {
        for file in try ["README.md", "CHANGELOG.md"] + Repository.files("docs", ending: ".md") {
            let text = try Repository.text(file)
            for link in text.matches(of: /\]\(([^)#]+)/) where !link.1.contains("://") {
                let folder = Repository.root.appending(path: file).deletingLastPathComponent()
                let target = folder.appending(path: String(link.1))
                #expect(
                    FileManager.default.fileExists(atPath: target.path),
                    "\(file) links to \(link.1)")
            }
        }
    }
}
