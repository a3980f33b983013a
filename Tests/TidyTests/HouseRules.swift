import Foundation

/// The repository as the house rules see it.
enum Repository {
    static let root = URL(filePath: #filePath).deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()

    /// A file's text, by its path from the root.
    static func text(_ path: String) throws -> String {
        try String(contentsOf: root.appending(path: path), encoding: .utf8)
    }

    /// Paths from the root of all files below a folder that end so.
    static func files(_ folder: String, ending: String) throws -> [String] {
        let all = try FileManager.default.subpathsOfDirectory(
            atPath: root.appending(path: folder).path)
        return all.filter { $0.hasSuffix(ending) }.map { folder + "/" + $0 }.sorted()
    }

    /// The folders directly below a folder.
    static func folders(_ folder: String) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: root.appending(path: folder).path)
            .filter { !$0.hasPrefix(".") }.sorted()
    }

    /// What a document may name as a test: a suite's type, its file, or a make target.
    static func testNames() throws -> Set<String> {
        var names: Set<String> = []
        for file in try files("Tests", ending: ".swift") {
            names.insert(String(file.split(separator: "/").last?.dropLast(6) ?? ""))
            for match in try text(file).matches(of: /(?m)^struct (\w+Tests)\b/) {
                names.insert(String(match.1))
            }
        }
        for match in try text("Makefile").matches(of: /(?m)^([a-z-]+):/) {
            names.insert("make \(match.1)")
        }
        return names
    }
}
