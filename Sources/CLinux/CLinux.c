#define _GNU_SOURCE
#include "CLinux.h"

#include <errno.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/socket.h>

_Static_assert(sizeof(struct clinux_peer) == sizeof(struct ucred), "clinux_peer mirrors ucred");

const int32_t clinux_so_peercred = SO_PEERCRED;

int32_t clinux_lock(int32_t descriptor) {
    return flock(descriptor, LOCK_EX | LOCK_NB) == 0 ? 0 : errno;
}

void clinux_name_thread(const char *name) {
    pthread_setname_np(pthread_self(), name);
}
