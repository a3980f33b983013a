import FuzzKit
import SpoolCore

/// A promise that is broken, by documents that are some steps away from every seed: a fuzzer that
/// does not find one is blind, and its silence about the other targets means nothing.
@main
enum Canary {
    static func main() {
        Fuzzer.run { input in
            guard let tree = try? JSONValue(parsing: Array(input)) else { return }
            require(tree[0]?[0]?.boolValue != true, "found, as it should be")
        }
    }
}
