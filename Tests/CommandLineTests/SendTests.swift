import Dispatch
import Glibc
import Logging
import SpoolServer
import SpoolService
import SpoolTestKit
import Synchronization
import Testing

@testable import loopspool

/// Files of all sorts through the event stream of a whole daemon.
@Suite("Sending a file", .timeLimit(.minutes(1)))
struct SendTests {
    private static let line = #"{"log":{"project":"p","inputs":{}}}"# + "\n"

    private static let nowhere = "http://127.0.0.1:1"

    /// Runs `body` beside a daemon, by default one whose upstream is not there.
    private func run<Result>(
        _ flags: [SettingsReader.Name: String] = [.upstream: nowhere],
        _ body: (Daemon, String) async throws -> Result
    ) async throws -> Result {
        let directory = try TestFolder.make("send")
        let settings = try SettingsReader.daemon(
            flags: flags.merging([
                .stateDirectory: directory, .runtimeDirectory: directory + "/run",
                .listen: "127.0.0.1:0",
            ]) { given, _ in given }, environment: ["HOME": directory, "LOOPSPOOL_API_KEY": "k"])
        let daemon = try await Daemon.start(
            settings, logger: Logger(label: "test") { _ in SwiftLogNoOpLogHandler() })
        do {
            let result = try await body(daemon, directory + "/run/events.sock")
            await daemon.stop()
            return result
        } catch {
            await daemon.stop()
            throw error
        }
    }

    /// Sends on a thread of its own, and closes the file after it.
    private func send(
        _ file: Int32, to socket: String, patience: Int32 = 10_000,
        whenStalled: @escaping @Sendable () -> Void = {}
    ) async throws -> StreamClient.Outcome {
        try await withCheckedThrowingContinuation { done in
            DispatchQueue.global().async {
                done.resume(
                    with: Result {
                        defer { close(file) }
                        var stream = try StreamClient(socket: socket)
                        return try stream.send(
                            from: file, patience: patience, whenStalled: whenStalled)
                    })
            }
        }
    }

    private func file(of text: String) throws -> Int32 {
        let file = open(try TestFolder.make("file") + "/f", O_RDWR | O_CREAT | O_CLOEXEC, 0o600)
        put(text, into: file)
        lseek(file, 0, SEEK_SET)
        return file
    }

    private func put(_ text: String, into file: Int32) {
        #expect(write(file, text, text.utf8.count) == text.utf8.count)
    }

    @Test("a standard input that has nothing yet is waited for")
    func nonBlocking() async throws {
        try await run { daemon, socket in
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0 && fcntl(ends[0], F_SETFL, O_NONBLOCK) == 0)
            let (file, source) = (ends[0], ends[1])
            put(Self.line, into: source)
            async let outcome = send(file, to: socket)
            while await daemon.held() < 1 { await Task.yield() }
            put(Self.line + Self.line, into: source)
            close(source)
            #expect(try await outcome.acknowledged == 3)
            #expect(try await outcome.readFailure == nil)
            #expect(await daemon.held() == 3)
        }
    }

    @Test("a file that cannot be read to its end is told of, after what was read is durable")
    func brokenFile() async throws {
        try await run { daemon, socket in
            // A terminal whose other side is gone gives what is left, then EIO.
            var (terminal, source): (Int32, Int32) = (0, 0)
            try #require(openpty(&terminal, &source, nil, nil, nil) == 0)
            put(Self.line + Self.line, into: source)
            close(source)
            let outcome = try await send(terminal, to: socket)
            #expect(outcome.acknowledged == 2)
            #expect(outcome.refusals.isEmpty)
            #expect(outcome.readFailure == "Input/output error")
            #expect(await daemon.held() == 2)
            // A line that this cuts short is still to be sent, and refused by nobody.
            (terminal, source) = (0, 0)
            try #require(openpty(&terminal, &source, nil, nil, nil) == 0)
            put(Self.line + Self.line.dropLast(9), into: source)
            close(source)
            let cut = try await send(terminal, to: socket)
            #expect(cut.acknowledged == 1)
            #expect(cut.refusals.isEmpty)
            #expect(cut.readFailure == "Input/output error")
            #expect(await daemon.held() == 3)
            let directory = open("/", O_RDONLY | O_CLOEXEC)
            let nothing = try await send(directory, to: socket)
            #expect(nothing.acknowledged == 0)
            #expect(nothing.readFailure == "Is a directory")
        }
    }

    @Test("a producer that pauses inside a line does not make the daemon look stalled")
    func pausesInsideLine() async throws {
        try await run { daemon, socket in
            var ends: [Int32] = [0, 0]
            try #require(pipe(&ends) == 0)
            let (file, source) = (ends[0], ends[1])
            put("{", into: source)
            let stalls = Mutex(0)
            async let outcome = send(file, to: socket, patience: 1) { stalls.withLock { $0 += 1 } }
            // Nothing tells that nothing happens: many times the patience pass.
            try await Task.sleep(for: .milliseconds(50))
            #expect(stalls.withLock(\.self) == 0)
            put(String(Self.line.dropFirst()), into: source)
            close(source)
            #expect(try await outcome.acknowledged == 1)
        }
    }

    @Test("a line that will never fit is refused, whatever is sent with it")
    func neverFits() async throws {
        try await run([.maxBytes: "12KiB"]) { _, socket in
            let text = String(repeating: "x", count: 7000)
            let huge = Self.line.replacing("{}", with: #"{"a":"\#(text)"}"#)
            let lines = (1...300).map { $0 == 150 ? huge : Self.line }
            let outcome = try await send(try file(of: lines.joined()), to: socket)
            #expect(outcome.acknowledged == 300)
            #expect(outcome.refusals.map(\.line) == [150])
            #expect(outcome.refusals.first?.detail.contains("LOOPSPOOL_MAX_BYTES") == true)
        }
    }

    @Test("a daemon that takes nothing is told of once")
    func stalled() async throws {
        let (stalled, stall) = AsyncStream.makeStream(of: Void.self)
        let sending = try await run([.upstream: Self.nowhere, .maxBytes: "1KiB"]) { _, socket in
            let file = try file(of: String(repeating: Self.line, count: 100))
            let sending = Task {
                defer { stall.finish() }
                return try await send(file, to: socket, patience: 100) { stall.yield() }
            }
            var stalls = stalled.makeAsyncIterator()
            #expect(await stalls.next() != nil)
            return sending
        }
        let error = await #expect(throws: StreamError.self) { try await sending.value }
        #expect(error?.description.contains("send the rest again") == true)
        for await _ in stalled { Issue.record("told of twice") }
    }
}
