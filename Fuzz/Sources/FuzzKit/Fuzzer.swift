internal import CFuzzer

/// libFuzzer, with a property to find a counterexample to.
public enum Fuzzer {
    // Safety: written once by `run`, before the fuzzer starts; libFuzzer has one thread.
    nonisolated(unsafe) private static var property: (UnsafeRawBufferPointer) -> Void = { _ in }

    /// Fuzzes until the command line's limits are reached, and ends the process.
    ///
    /// - Parameter property: what must hold of every input. It fails by ``require(_:_:)`` or by any
    ///   trap; the bytes are valid during the call only.
    public static func run(_ property: @escaping (UnsafeRawBufferPointer) -> Void) {
        Self.property = property
        var count = CommandLine.argc
        var arguments: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = CommandLine.unsafeArgv
        _ = LLVMFuzzerRunDriver(&count, &arguments) { start, count in
            Fuzzer.property(UnsafeRawBufferPointer(start: start, count: count))
            return 0
        }
    }
}

/// Stops at the first input that breaks a promise.
public func require(
    _ promise: @autoclosure () -> Bool, _ words: @autoclosure () -> String,
    file: StaticString = #file, line: UInt = #line
) {
    guard !promise() else { return }
    fatalError("broken promise: \(words())", file: file, line: line)
}
