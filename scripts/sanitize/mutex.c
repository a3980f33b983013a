// Tells ThreadSanitizer when a thread has waited for a Mutex.
//
// Swift's Mutex takes and gives a free lock in code that is inlined into ours, which the sanitizer
// sees. A thread that must wait is sent into libswiftSynchronization.so, which the toolchain ships
// without instrumentation, and there the hand-over from one owner to the next goes unseen: every
// contended Mutex then looks like a race. These two functions stand before the library's (by
// LD_PRELOAD), call them, and say what they did. Nothing is suppressed.
//
// Both are methods of _MutexHandle, exported since Swift 6.0: `_lockSlow(UInt32)`, which returns
// as the owner, and `_unlockSlow()`.

#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdint.h>

#define LOCK_SLOW "$s15Synchronization12_MutexHandleV9_lockSlowyys6UInt32VF"
#define UNLOCK_SLOW "$s15Synchronization12_MutexHandleV11_unlockSlowyyF"

// The address of the handle is the address of the word that the inlined code works on.
#define SELF __attribute__((swift_context)) void *handle

typedef __attribute__((swiftcall)) void LockSlow(uint32_t thread, SELF);
typedef __attribute__((swiftcall)) void UnlockSlow(SELF);

LockSlow lock_slow __asm__(LOCK_SLOW);
UnlockSlow unlock_slow __asm__(UNLOCK_SLOW);

// Part of the sanitizer's runtime (sanitizer/tsan_interface.h); absent in programs without it.
__attribute__((weak)) void __tsan_acquire(void *address);
__attribute__((weak)) void __tsan_release(void *address);

__attribute__((swiftcall)) void lock_slow(uint32_t thread, SELF) {
    LockSlow *next = (LockSlow *)dlsym(RTLD_NEXT, LOCK_SLOW);
    next(thread, handle);
    if (__tsan_acquire) __tsan_acquire(handle);
}

__attribute__((swiftcall)) void unlock_slow(SELF) {
    UnlockSlow *next = (UnlockSlow *)dlsym(RTLD_NEXT, UNLOCK_SLOW);
    if (__tsan_release) __tsan_release(handle);
    next(handle);
}
