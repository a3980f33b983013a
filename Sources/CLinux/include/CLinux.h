#ifndef CLINUX_H
#define CLINUX_H

#include <stdint.h>

/// Who is at the other end of a Unix socket: `struct ucred` (unix(7), SO_PEERCRED), which Swift's Glibc
/// overlay shows only under _GNU_SOURCE.
struct clinux_peer {
    int32_t pid;
    uint32_t uid;
    uint32_t gid;
};

/// The value of SO_PEERCRED, for callers that ask for socket options by number.
extern const int32_t clinux_so_peercred;

/// Takes an exclusive flock(2) without waiting; 0, or the errno (EWOULDBLOCK when another holds it).
/// A function because in Swift the name `flock` is taken by a struct.
int32_t clinux_lock(int32_t descriptor);

/// Names the calling thread, at most 15 bytes, for `top -H` and profilers: pthread_setname_np(3) is a
/// GNU extension.
void clinux_name_thread(const char *name);

#endif
