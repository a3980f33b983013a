import Foundation
import Glibc
import Logging
import SpoolTestKit
import Synchronization
import Testing

@testable import SpoolService

/// A socket as the service manager listens on it.
private final class ManagerSocket: Sendable {
    let path: String
    private let descriptor: Int32

    init(isAbstract: Bool) throws {
        let name = "/tmp/notify-\(UUID().uuidString.prefix(8))"
        path = isAbstract ? "@" + name : name
        descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue), 0)
        var patience = timeval(tv_sec: RawClient.patience, tv_usec: 0)
        setsockopt(
            descriptor, SOL_SOCKET, SO_RCVTIMEO, &patience, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        var bytes = Array(path.utf8)
        if isAbstract { bytes[0] = 0 }
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: bytes) }
        let length = socklen_t(2 + bytes.count)
        let bound = withUnsafePointer(to: &address) {
            $0.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
        }
        try #require(bound == 0)
    }

    deinit {
        close(descriptor)
        if path.hasPrefix("/") { unlink(path) }
    }

    /// The next message; blocks until it is there, and is empty when none comes.
    func next() -> String {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(descriptor, &buffer, buffer.count, 0)
        return String(decoding: buffer.prefix(max(count, 0)), as: UTF8.self)
    }
}

@Suite("The service manager", .timeLimit(.minutes(1)))
struct SystemdTests {
    @Test("is told through a path or an abstract name", arguments: [false, true])
    func isTold(isAbstract: Bool) throws {
        let socket = try ManagerSocket(isAbstract: isAbstract)
        let notifier = try #require(
            SystemdNotifier(environment: ["NOTIFY_SOCKET": socket.path], pid: 7))
        notifier.send("READY=1\nSTATUS=ready")
        #expect(socket.next() == "READY=1\nSTATUS=ready")
        #expect(notifier.watchdogInterval == nil)
    }

    @Test("is not looked for where there is none, or where its name makes no sense")
    func isAbsent() {
        for path in [nil, "", "@", "relative", "/" + String(repeating: "x", count: 107)] {
            let environment = path.map { ["NOTIFY_SOCKET": $0] } ?? [:]
            #expect(SystemdNotifier(environment: environment, pid: 7) == nil)
        }
    }

    @Test("hears READY=1 when the ways in are open, and STOPPING=1 at a stop")
    func hearsAService() async throws {
        let directory = "/tmp/loopspool-notify-\(UUID().uuidString.prefix(8))"
        defer { try? FileManager.default.removeItem(atPath: directory) }
        let socket = try ManagerSocket(isAbstract: false)
        let settings = try SettingsReader.daemon(
            flags: [
                .stateDirectory: directory, .runtimeDirectory: directory + "/run",
                .listen: "127.0.0.1:0",
            ], environment: ["HOME": directory])
        let paths = [settings.apiSocket, settings.eventsSocket, settings.controlSocket]
        /// The next message, and which of the ways in were open when it came.
        func next() async -> (message: String, open: [Bool]) {
            await withCheckedContinuation { done in
                DispatchQueue.global().async {
                    let message = socket.next()
                    let open = paths.map { (try? RawClient(unixPath: $0)) != nil }
                    done.resume(returning: (message, open))
                }
            }
        }
        async let first = next()
        let daemon = try await Daemon.start(
            settings, logger: LogLines().logger,
            notifier: SystemdNotifier(environment: ["NOTIFY_SOCKET": socket.path], pid: Process.id))
        let ready = await first
        #expect(ready.message.split(separator: "\n").first == "READY=1")
        #expect(ready.open == [true, true, true])
        await daemon.stop()
        #expect(socket.next().split(separator: "\n").first == "STOPPING=1")
    }

    @Test("asks for a heartbeat by WATCHDOG_USEC, unless it is meant for another process")
    func interval() throws {
        var environment = ["NOTIFY_SOCKET": "/run/n", "WATCHDOG_USEC": "3000000"]
        #expect(SystemdNotifier(environment: environment, pid: 7)?.watchdogInterval == .seconds(3))
        environment["WATCHDOG_PID"] = "7"
        #expect(SystemdNotifier(environment: environment, pid: 7)?.watchdogInterval == .seconds(3))
        environment["WATCHDOG_PID"] = "8"
        let others = try #require(SystemdNotifier(environment: environment, pid: 7))
        #expect(others.watchdogInterval == nil)
    }

    @Test("hears a heartbeat when every loop has run its step, and none while one hangs")
    func progress() {
        let beats = Mutex(0)
        let hanging = Mutex<(@Sendable () -> Void)?>(nil)
        let watchdog = Watchdog(
            of: [
                .init(name: "runs", step: { $0() }),
                .init(name: "hangs", step: { done in hanging.withLock { $0 = done } }),
            ], logger: Logger(label: "quiet") { _ in SwiftLogNoOpLogHandler() },
            report: { beats.withLock { $0 += 1 } })
        watchdog.beat()
        watchdog.beat()
        #expect(beats.withLock { $0 } == 0)
        hanging.withLock { $0 }?()
        #expect(beats.withLock { $0 } == 1)
        watchdog.beat()
        #expect(beats.withLock { $0 } == 1)
        hanging.withLock { $0 }?()
        #expect(beats.withLock { $0 } == 2)
    }
}
