/// A state that a test waited for and that never came.
public struct NeverCame: Error, CustomStringConvertible {
    /// Where the test waits for it.
    public let description: String
}

/// Waits until a state that is reached by other threads, and that nobody announces, is there; at
/// most as long as a ``RawClient`` waits for bytes.
public func eventually(
    _ condition: () -> Bool, file: StaticString = #fileID, line: UInt = #line
) async throws {
    let deadline = ContinuousClock.now + .seconds(RawClient.patience)
    while !condition() {
        guard ContinuousClock.now < deadline else {
            throw NeverCame(description: "what \(file):\(line) waits for never came")
        }
        try await Task.sleep(for: .milliseconds(1))
    }
}
