import Dispatch
import SpoolSQLite
import Synchronization
import Testing

@Suite("Group commit")
struct GroupCommitterTests {
    /// What was done, in order.
    private final class Notes: Sendable {
        private let words = Mutex<[String]>([])
        var all: [String] { words.withLock { $0 } }
        func add(_ word: String) { words.withLock { $0.append(word) } }
    }

    private final class Counter: GroupState {
        private let notes: Notes
        init(_ notes: Notes = Notes()) { self.notes = notes }
        func note(_ word: String) { notes.add(word) }
        func begin() { note("begin") }
        func commit() throws { note("commit") }
        func upkeep() -> Bool { false }
    }

    private struct Refusal: Error {}

    /// Waits for callbacks by counting them.
    private final class Latch: Sendable {
        private let done = DispatchSemaphore(value: 0)
        func signal() { done.signal() }
        func wait(_ count: Int = 1) { for _ in 0..<count { done.wait() } }
    }

    @Test("what arrives during a commit shares the next one, and is answered after it")
    func groups() throws {
        let notes = Notes()
        let committer = try GroupCommitter(name: "test", report: { _ in }) { Counter(notes) }
        let (entered, release, done) = (Latch(), Latch(), Latch())
        committer.submit(
            { state in
                entered.signal()
                release.wait()
                state.note("first")
                return {}
            }, orElse: { _ in })
        entered.wait()
        let seen = Mutex<[String]>([])
        for number in 1...3 {
            committer.submit(
                { state in
                    state.note("job \(number)")
                    return {
                        seen.withLock { $0 = notes.all }
                        done.signal()
                    }
                }, orElse: { _ in })
        }
        release.signal()
        done.wait(3)
        #expect(
            seen.withLock { $0 } == [
                "begin", "first", "commit", "begin", "job 1", "job 2", "job 3", "commit",
            ])
    }

    @Test("a group that has its bytes takes no more work, and what is left goes into the next ones")
    func groupsAreBounded() throws {
        let notes = Notes()
        let committer = try GroupCommitter(name: "test", report: { _ in }) { Counter(notes) }
        let (entered, release, stopped) = (Latch(), Latch(), Latch())
        committer.submit(
            { _ in
                entered.signal()
                release.wait()
                return {}
            }, orElse: { _ in })
        entered.wait()
        let bytesMax = GroupCommitter<Counter>.groupBytesMax
        for (number, bytes) in [bytesMax - 1, 0, bytesMax, 0, 9 * bytesMax, 0].enumerated() {
            committer.submit(
                bytes: bytes,
                { state in
                    state.note("\(number)")
                    return {}
                }, orElse: { _ in Issue.record("a group was refused") })
        }
        // A stop is for all that was submitted before it, in however many groups.
        committer.stop { stopped.signal() }
        release.signal()
        stopped.wait()
        let groups = notes.all.split(separator: "begin").map { $0.filter { $0 != "commit" } }
        #expect(groups == [[], ["0", "1", "2"], ["3", "4"], ["5"]])
    }

    @Test("a stop in several groups tells everybody that the disk refuses")
    func stopsOnFailingDisk() throws {
        let isBroken = Mutex(false)
        let committer = try GroupCommitter(name: "test", report: { _ in }) { () -> Counter in
            if isBroken.withLock({ $0 }) { throw Refusal() }
            return Counter()
        }
        let (entered, release, failed, stopped) = (Latch(), Latch(), Latch(), Latch())
        committer.submit(
            { _ in
                entered.signal()
                release.wait()
                throw Refusal()
            }, orElse: { _ in failed.signal() })
        entered.wait()
        isBroken.withLock { $0 = true }
        for _ in 0..<3 {
            committer.submit(
                bytes: GroupCommitter<Counter>.groupBytesMax, { _ in {} },
                orElse: { _ in failed.signal() })
        }
        committer.stop { stopped.signal() }
        release.signal()
        stopped.wait()
        failed.wait(4)
    }

    @Test("one refusal fails its whole group, and the next group starts from the file again")
    func failure() throws {
        let opened = Mutex(0)
        let reports = Mutex(0)
        let committer = try GroupCommitter(
            name: "test", report: { _ in reports.withLock { $0 += 1 } }
        ) { () -> Counter in
            opened.withLock { $0 += 1 }
            return Counter()
        }
        let (failed, done) = (Latch(), Latch())
        committer.submit({ _ in throw Refusal() }, orElse: { _ in failed.signal() })
        failed.wait()
        committer.submit({ _ in { done.signal() } }, orElse: { _ in })
        done.wait()
        #expect(opened.withLock { $0 } == 2)
        #expect(reports.withLock { $0 } == 1)
    }

    @Test("work that waited too long is taken back; work that must run is not")
    func withdraws() throws {
        let committer = try GroupCommitter(name: "test", report: { _ in }) { Counter() }
        let (entered, release, withdrawn, ran) = (Latch(), Latch(), Latch(), Latch())
        committer.submit(
            { _ in
                entered.signal()
                release.wait()
                return {}
            }, orElse: { _ in })
        entered.wait()
        committer.submit(
            withdrawable: true, { _ in { Issue.record("ran after it was taken back") } },
            orElse: { failure in
                if case .withdrawn = failure { withdrawn.signal() }
            })
        committer.submit({ _ in { ran.signal() } }, orElse: { _ in })
        committer.withdraw(waitingSince: .now)
        withdrawn.wait()
        release.signal()
        ran.wait()
    }

    @Test("a stop commits what was submitted before it and refuses what comes after")
    func stops() throws {
        let committer = try GroupCommitter(name: "test", report: { _ in }) { Counter() }
        let (ran, stopped, refused) = (Latch(), Latch(), Latch())
        committer.submit({ _ in { ran.signal() } }, orElse: { _ in })
        committer.stop { stopped.signal() }
        ran.wait()
        stopped.wait()
        committer.submit({ _ in {} }, orElse: { _ in refused.signal() })
        refused.wait()
    }

    /// Cannot begin for a while, and must not be closed.
    private final class Stranded: GroupState {
        struct Trouble: PreservesState {}
        private let isStranded: @Sendable () -> Bool
        init(_ isStranded: @escaping @Sendable () -> Bool) { self.isStranded = isStranded }
        func begin() throws { if isStranded() { throw Trouble() } }
        func commit() {}
        func upkeep() throws -> Bool {
            try begin()
            return false
        }
    }

    @Test("a state that must be kept is kept and tried again, and no stop waits for it")
    func keepsState() throws {
        let opened = Mutex(0)
        let isStranded = Mutex(false)
        let committer = try GroupCommitter(name: "test", report: { _ in }) { () -> Stranded in
            opened.withLock { $0 += 1 }
            return Stranded { isStranded.withLock { $0 } }
        }
        let (done, failed, stopped) = (Latch(), Latch(), Latch())
        isStranded.withLock { $0 = true }
        for _ in 0..<3 {
            committer.submit({ _ in {} }, orElse: { _ in failed.signal() })
            failed.wait()
        }
        committer.submit(patient: true, { _ in { done.signal() } }, orElse: { _ in })
        isStranded.withLock { $0 = false }
        done.wait()
        #expect(opened.withLock { $0 } == 1)
        isStranded.withLock { $0 = true }
        committer.submit(patient: true, { _ in {} }, orElse: { _ in failed.signal() })
        committer.stop { stopped.signal() }
        stopped.wait()
        failed.wait()
        #expect(opened.withLock { $0 } == 1)
    }

    @Test("patient work waits until the state opens again, and is failed only by a stop")
    func patience() throws {
        let isBroken = Mutex(false)
        let committer = try GroupCommitter(name: "test", report: { _ in }) { () -> Counter in
            if isBroken.withLock({ $0 }) { throw Refusal() }
            return Counter()
        }
        let (failed, done) = (Latch(), Latch())
        isBroken.withLock { $0 = true }
        committer.submit({ _ in throw Refusal() }, orElse: { _ in failed.signal() })
        failed.wait()
        committer.submit(
            patient: true, { _ in { done.signal() } },
            orElse: { _ in Issue.record("patient work was failed") })
        committer.submit({ _ in {} }, orElse: { _ in failed.signal() })
        failed.wait()
        isBroken.withLock { $0 = false }
        done.wait()
        isBroken.withLock { $0 = true }
        committer.submit({ _ in throw Refusal() }, orElse: { _ in failed.signal() })
        failed.wait()
        let stopped = Latch()
        committer.submit(patient: true, { _ in {} }, orElse: { _ in failed.signal() })
        committer.stop { stopped.signal() }
        failed.wait()
        stopped.wait()
    }

    /// Opens and can be read, but takes no write for a while: as on a full disk.
    private final class Full: GroupState {
        private let isFull: @Sendable () -> Bool
        init(_ isFull: @escaping @Sendable () -> Bool) { self.isFull = isFull }
        func begin() {}
        func commit() {}
        func prove() throws { if isFull() { throw Refusal() } }
        func upkeep() -> Bool { false }
    }

    @Test("after a failure nothing is taken, not even what only reads, until a write has succeeded")
    func proves() async throws {
        let isFull = Mutex(true)
        let committer = try GroupCommitter(name: "test", report: { _ in }) {
            Full { isFull.withLock { $0 } }
        }
        func reads() async -> Bool {
            await withCheckedContinuation { done in
                committer.submit(
                    { _ in { done.resume(returning: true) } },
                    orElse: { _ in done.resume(returning: false) })
            }
        }
        #expect(await reads())
        await withCheckedContinuation { done in
            committer.submit({ _ in throw Refusal() }, orElse: { _ in done.resume() })
        }
        for _ in 0..<3 { #expect(await !reads()) }
        isFull.withLock { $0 = false }
        await withCheckedContinuation { done in
            committer.submit(patient: true, { _ in { done.resume() } }, orElse: { _ in })
        }
        #expect(await reads())
    }

    /// Upkeep that fails; groups that do not.
    private final class Careless: GroupState {
        func begin() {}
        func commit() {}
        func upkeep() throws -> Bool { throw Refusal() }
    }

    @Test("upkeep that keeps failing is left alone ever longer, and holds up no group")
    func failingUpkeep() throws {
        let reports = Mutex(0)
        let committer = try GroupCommitter(
            name: "test", report: { _ in reports.withLock { $0 += 1 } }
        ) { Careless() }
        let done = Latch()
        let start = ContinuousClock.now
        for _ in 0..<200 {
            committer.submit(
                { _ in { done.signal() } }, orElse: { _ in Issue.record("a group was refused") })
            done.wait()
        }
        // At once, and then after 1 s, 2 s …: each report is one try, however long this took.
        let bound = 3 + Int((ContinuousClock.now - start) / .seconds(1))
        #expect(reports.withLock { $0 } <= bound)
    }
}
