import Foundation

/// Seeds whose histories once broke a rule: they are lived through first, every time.
enum SeedFile {
    private static let path = URL(filePath: #filePath).deletingLastPathComponent()
        .appending(path: "seeds.txt")

    /// The kept seeds, in the order in which they were found.
    static func seeds() throws -> [UInt64] {
        try String(contentsOf: path, encoding: .utf8).split(separator: "\n").compactMap { line in
            line.split(separator: " ").first.flatMap { UInt64($0) }
        }
    }

    /// Keeps a seed, and what its history broke.
    static func keep(_ seed: UInt64, _ words: String) throws {
        guard try !seeds().contains(seed) else { return }
        let line = words.split(separator: "\n").first.map(String.init) ?? ""
        let file = try FileHandle(forWritingTo: path)
        defer { try? file.close() }
        try file.seekToEnd()
        try file.write(contentsOf: Data("\(seed) \(line.prefix(160))\n".utf8))
    }
}
