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
    // Safety: a POSIX semaphore is made for use from many threads, and its address is stable.
    private nonisolated(unsafe) let semaphore: UnsafeMutablePointer<sem_t>

    init() {
        semaphore = .allocate(capacity: 1)
        sem_init(semaphore, 0, 0)
    }

    deinit {
        sem_destroy(semaphore)
        semaphore.deallocate()
    }

    /// Lets the waiting thread go on.
    func raise() {
        sem_post(semaphore)
    }

    /// Waits for the flag and lowers it.
    func wait() {
        while sem_wait(semaphore) != 0 {}
        while sem_trywait(semaphore) == 0 {}
    }
}
