internal import CLinux
internal import Glibc

/// A kernel thread, for work that blocks on the disk and so must not run on an event loop or in Swift's
/// cooperative pool.
enum Thread {
    /// Starts a detached thread; `name` has at most 15 bytes.
    static func start(name: String, _ body: @escaping @Sendable () -> Void) {
        let box = Unmanaged.passRetained(Body(run: body, name: name))
        var thread = pthread_t()
        let code = pthread_create(
            &thread, nil,
            { pointer in
                // Safety: the pointer is the box retained above, taken exactly once.
                let body = Unmanaged<Body>.fromOpaque(pointer!).takeRetainedValue()
                clinux_name_thread(body.name)
                body.run()
                return nil
            }, box.toOpaque())
        precondition(
            code == 0, "the kernel refused a thread (errno \(code)): raise the process's task limit"
        )
        pthread_detach(thread)
    }

    private final class Body: Sendable {
        let run: @Sendable () -> Void
        let name: String

        init(run: @escaping @Sendable () -> Void, name: String) {
            self.run = run
            self.name = name
        }
    }
}

/// A flag that one thread waits for and others raise. Raising an already raised flag changes nothing.
final class ThreadSignal: Sendable {
    // Safety: POSIX objects made for use from many threads, at addresses that never change; the flag is
    // touched under the mutex alone.
    private nonisolated(unsafe) let mutex: UnsafeMutablePointer<pthread_mutex_t>
    private nonisolated(unsafe) let condition: UnsafeMutablePointer<pthread_cond_t>
    private nonisolated(unsafe) let isRaised: UnsafeMutablePointer<Bool>

    init() {
        mutex = .allocate(capacity: 1)
        condition = .allocate(capacity: 1)
        isRaised = .allocate(capacity: 1)
        isRaised.initialize(to: false)
        pthread_mutex_init(mutex, nil)
        var attributes = pthread_condattr_t()
        pthread_condattr_init(&attributes)
        // Not the wall clock, which may be set back by hours.
        pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC)
        pthread_cond_init(condition, &attributes)
        pthread_condattr_destroy(&attributes)
    }

    deinit {
        pthread_cond_destroy(condition)
        pthread_mutex_destroy(mutex)
        isRaised.deallocate()
        condition.deallocate()
        mutex.deallocate()
    }

    /// Lets the waiting thread go on.
    func raise() {
        pthread_mutex_lock(mutex)
        isRaised.pointee = true
        pthread_cond_signal(condition)
        pthread_mutex_unlock(mutex)
    }

    /// Waits for the flag, at most so long, and lowers it. Nil: as long as it takes.
    func wait(atMost limit: Duration? = nil) {
        var deadline = limit.map(Self.deadline)
        pthread_mutex_lock(mutex)
        var isLate = false
        while !isRaised.pointee, !isLate {
            if deadline != nil {
                // Safety: just seen not to be nil.
                isLate = pthread_cond_timedwait(condition, mutex, &deadline!) == ETIMEDOUT
            } else {
                pthread_cond_wait(condition, mutex)
            }
        }
        isRaised.pointee = false
        pthread_mutex_unlock(mutex)
    }

    private static func deadline(in duration: Duration) -> timespec {
        var now = timespec()
        clock_gettime(CLOCK_MONOTONIC, &now)
        let (seconds, attoseconds) = duration.components
        let nanoseconds = now.tv_nsec + Int(attoseconds / 1_000_000_000)
        return timespec(
            tv_sec: now.tv_sec + Int(seconds) + nanoseconds / 1_000_000_000,
            tv_nsec: nanoseconds % 1_000_000_000)
    }
}
