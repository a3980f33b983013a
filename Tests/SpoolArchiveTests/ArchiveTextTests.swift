import SpoolCore
import SpoolTestKit
import Testing

@testable import SpoolArchive

/// The small pure parts: ids, queries, routes.
struct ArchiveTextTests {
    @Test func `ids use all characters and never repeat`() {
        var random = SeededRandom(seed: 1)
        var seen: Set<String> = []
        var characters: Set<Character> = []
        for _ in 0..<1000 {
            let id = ArchiveID.mint(.log, using: &random)
            #expect(id.hasPrefix("data_"))
            #expect(id.count == 26)
            seen.insert(id)
            characters.formUnion(id.dropFirst(5))
        }
        #expect(seen.count == 1000)
        #expect(characters.count == 62)
    }

    @Test(arguments: [
        ("a=1", "a", "1"), ("a=1&a=2", "a", "2"), ("b=1&a", "a", ""), ("a=x%20y+z", "a", "x y z"),
        ("a=%2", "a", "%2"), ("a=%zz%41", "a", "%zzA"), ("a=%F0%9F%98%80", "a", "😀"),
        ("a=%FF", "a", "\u{FFFD}"), ("%61=b%3D=c", "a", "b==c"), ("&&a=1&", "a", "1"),
    ])
    func `queries are decoded as forms are`(query: String, name: String, value: String) {
        #expect(ArchiveQuery(query)[name] == value)
    }

    @Test func `a query without the key has no value`() {
        #expect(ArchiveQuery(nil)["a"] == nil)
        #expect(ArchiveQuery("b=1")["a"] == nil)
    }

    @Test func `an id in a path is decoded, and its plus stays`() throws {
        guard case .found(let route) = ArchiveRoute.find(method: "GET", path: "/logs/a%2Fb+c")
        else { return #expect(Bool(false), "not found") }
        #expect(route.id == "a/b+c")
    }
}
