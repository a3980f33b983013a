import SpoolCore
import Testing

@Suite("An id in a path")
struct PathIDTests {
    @Test(
        "may not lead out of its place",
        arguments: ["", ".", "..", "a/../b", "../x", "x/..", "./x", "x/./y", "/..", "..//"])
    func refuses(id: String) { #expect(!PathID.isUsable(id)) }

    @Test(
        "may be anything else",
        arguments: ["data_1", "...", "a.b", ".a", "a..", "a/b", "ä", "%2e%2e", "..\u{0301}/x"])
    func accepts(id: String) { #expect(PathID.isUsable(id)) }
}
