#include "FaultDisk.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

// A file as SQLite sees it; the system's own follows in the same memory.
struct handle {
    sqlite3_file base;
    fault_disk *disk;
    struct watched_file *file;
};

static sqlite3_file *real_of(sqlite3_file *file) { return (sqlite3_file *)((struct handle *)file + 1); }

static const sqlite3_io_methods *real_methods(sqlite3_file *file) { return real_of(file)->pMethods; }

// MARK: Faults

static int bit_of(int mask) {
    int bit = 0;
    while (mask > 1) mask >>= 1, bit++;
    return bit;
}

// The code to fail with, or SQLITE_OK; `effect` gets how much happens nevertheless.
static int fault(fault_disk *disk, int operation, int kind, int *effect) {
    disk->counts[bit_of(operation)][bit_of(kind)]++;
    *effect = FAULT_EFFECT_NONE;
    int code = SQLITE_OK;
    for (int i = 0; i < disk->rule_count; i++) {
        const fault_rule *rule = &disk->rules[i].rule;
        if (!(rule->operations & operation) || !(rule->files & kind)) continue;
        int64_t number = ++disk->rules[i].seen;
        if (number < rule->first) continue;
        if (rule->count && number >= rule->first + rule->count) continue;
        code = rule->code;
        *effect = rule->effect;
    }
    if (code == SQLITE_OK && disk->is_read_only) {
        switch (operation) {
        case FAULT_WRITE: code = SQLITE_IOERR_WRITE; break;
        case FAULT_SYNC: code = SQLITE_IOERR_FSYNC; break;
        case FAULT_TRUNCATE: code = SQLITE_IOERR_TRUNCATE; break;
        case FAULT_DELETE: code = SQLITE_IOERR_DELETE; break;
        }
    }
    if (code != SQLITE_OK) disk->failures++;
    return code;
}

static void observe(fault_disk *disk, int operation, int kind) {
    if (disk->observer) disk->observer(disk->context, operation, kind);
}

static int is_beyond_capacity(fault_disk *disk, const struct watched_file *file,
                              sqlite3_int64 end) {
    if (!disk->capacity || end <= file->size) return 0;
    sqlite3_int64 total = end - file->size;
    for (struct watched_file *each = disk->files; each; each = each->next) {
        if (each->exists) total += each->size;
    }
    return total > disk->capacity;
}

// MARK: An open file

static int file_close(sqlite3_file *base) { return real_methods(base)->xClose(real_of(base)); }

static int file_read(sqlite3_file *base, void *buffer, int count, sqlite3_int64 offset) {
    struct handle *handle = (struct handle *)base;
    int effect, code;
    pthread_mutex_lock(&handle->disk->lock);
    code = fault(handle->disk, FAULT_READ, handle->file->kind, &effect);
    pthread_mutex_unlock(&handle->disk->lock);
    if (code != SQLITE_OK) return code;
    return real_methods(base)->xRead(real_of(base), buffer, count, offset);
}

static int file_write(sqlite3_file *base, const void *bytes, int count, sqlite3_int64 offset) {
    struct handle *handle = (struct handle *)base;
    fault_disk *disk = handle->disk;
    struct watched_file *file = handle->file;
    int effect, done = count;
    pthread_mutex_lock(&disk->lock);
    observe(disk, FAULT_WRITE, file->kind);
    int code = fault(disk, FAULT_WRITE, file->kind, &effect);
    if (code == SQLITE_OK && is_beyond_capacity(disk, file, offset + count)) {
        code = SQLITE_FULL;
        disk->failures++;
    }
    if (code != SQLITE_OK && effect == FAULT_EFFECT_NONE) done = 0;
    if (code != SQLITE_OK && effect == FAULT_EFFECT_HALF) done = count / 2;
    if (done > 0) {
        int written = real_methods(base)->xWrite(real_of(base), bytes, done, offset);
        if (written == SQLITE_OK) {
            note_change(file, FAULT_WRITE, offset, bytes, done);
            if (offset + done > file->size) file->size = offset + done;
        } else if (code == SQLITE_OK) {
            code = written;
        }
    }
    pthread_mutex_unlock(&disk->lock);
    return code;
}

static int file_truncate(sqlite3_file *base, sqlite3_int64 size) {
    struct handle *handle = (struct handle *)base;
    int effect;
    pthread_mutex_lock(&handle->disk->lock);
    observe(handle->disk, FAULT_TRUNCATE, handle->file->kind);
    int code = fault(handle->disk, FAULT_TRUNCATE, handle->file->kind, &effect);
    if (code == SQLITE_OK || effect == FAULT_EFFECT_WHOLE) {
        int done = real_methods(base)->xTruncate(real_of(base), size);
        if (done == SQLITE_OK) {
            note_change(handle->file, FAULT_TRUNCATE, size, NULL, 0);
            handle->file->size = size;
        } else if (code == SQLITE_OK) {
            code = done;
        }
    }
    pthread_mutex_unlock(&handle->disk->lock);
    return code;
}

// The system's own sync is left out: what is durable is known here, and a test must be fast.
static int file_sync(sqlite3_file *base, int flags) {
    struct handle *handle = (struct handle *)base;
    (void)flags;
    int effect;
    pthread_mutex_lock(&handle->disk->lock);
    observe(handle->disk, FAULT_SYNC, handle->file->kind);
    int code = fault(handle->disk, FAULT_SYNC, handle->file->kind, &effect);
    if (code == SQLITE_OK || effect == FAULT_EFFECT_WHOLE) {
        sync_changes(handle->disk, handle->file);
    } else {
        taint_changes(handle->file);
    }
    pthread_mutex_unlock(&handle->disk->lock);
    return code;
}

static int file_size(sqlite3_file *base, sqlite3_int64 *size) {
    return real_methods(base)->xFileSize(real_of(base), size);
}
static int file_lock(sqlite3_file *base, int level) {
    return real_methods(base)->xLock(real_of(base), level);
}
static int file_unlock(sqlite3_file *base, int level) {
    return real_methods(base)->xUnlock(real_of(base), level);
}
static int file_check_lock(sqlite3_file *base, int *is_reserved) {
    return real_methods(base)->xCheckReservedLock(real_of(base), is_reserved);
}
static int file_control(sqlite3_file *base, int operation, void *argument) {
    return real_methods(base)->xFileControl(real_of(base), operation, argument);
}
static int file_sector_size(sqlite3_file *base) {
    return real_methods(base)->xSectorSize(real_of(base));
}
static int file_characteristics(sqlite3_file *base) {
    return real_methods(base)->xDeviceCharacteristics(real_of(base));
}
static int file_shm_map(sqlite3_file *base, int region, int size, int extend, void volatile **out) {
    return real_methods(base)->xShmMap(real_of(base), region, size, extend, out);
}
static int file_shm_lock(sqlite3_file *base, int offset, int count, int flags) {
    return real_methods(base)->xShmLock(real_of(base), offset, count, flags);
}
static void file_shm_barrier(sqlite3_file *base) { real_methods(base)->xShmBarrier(real_of(base)); }
static int file_shm_unmap(sqlite3_file *base, int is_deleting) {
    return real_methods(base)->xShmUnmap(real_of(base), is_deleting);
}

// Version 2: shared memory, but no memory-mapped reading, which would pass the faults by.
static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

// MARK: The file system

static int kind_of(int flags) {
    if (flags & SQLITE_OPEN_MAIN_DB) return FAULT_DATABASE;
    if (flags & SQLITE_OPEN_WAL) return FAULT_LOG;
    if (flags & SQLITE_OPEN_MAIN_JOURNAL) return FAULT_JOURNAL;
    return 0;
}

static int disk_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *base, int flags,
                     int *out_flags) {
    fault_disk *disk = (fault_disk *)vfs;
    struct handle *handle = (struct handle *)base;
    int kind = path ? kind_of(flags) : 0;
    base->pMethods = NULL;
    // Temporary files are nobody's promise.
    if (!kind) return disk->real->xOpen(disk->real, path, base, flags, out_flags);
    pthread_mutex_lock(&disk->lock);
    struct watched_file *file = watched_file_at(disk, path, kind);
    int effect, code = fault(disk, FAULT_OPEN, kind, &effect);
    if (code == SQLITE_OK && disk->is_read_only && (flags & SQLITE_OPEN_READWRITE)) {
        // As the system's VFS does on EROFS: what is there opens for reading.
        if (!file->exists) code = SQLITE_CANTOPEN;
        flags = (flags & ~(SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE)) | SQLITE_OPEN_READONLY;
    }
    if (code == SQLITE_OK) {
        code = disk->real->xOpen(disk->real, path, real_of(base), flags, out_flags);
    }
    if (code == SQLITE_OK) {
        if (!file->exists) {
            file->exists = 1;
            file->size = 0;
            file->is_new_entry = kind != FAULT_DATABASE;
        }
        handle->base.pMethods = &methods;
        handle->disk = disk;
        handle->file = file;
        if (out_flags && (flags & SQLITE_OPEN_READONLY)) {
            *out_flags = (*out_flags & ~SQLITE_OPEN_READWRITE) | SQLITE_OPEN_READONLY;
        }
    }
    pthread_mutex_unlock(&disk->lock);
    return code;
}

static int disk_delete(sqlite3_vfs *vfs, const char *path, int syncs_directory) {
    fault_disk *disk = (fault_disk *)vfs;
    pthread_mutex_lock(&disk->lock);
    struct watched_file *file = watched_file_at(disk, path, 0);
    int effect, code = SQLITE_OK;
    if (file) {
        observe(disk, FAULT_DELETE, file->kind);
        code = fault(disk, FAULT_DELETE, file->kind, &effect);
    }
    if (code == SQLITE_OK) {
        code = disk->real->xDelete(disk->real, path, 0);
        if (code == SQLITE_OK && file) {
            note_change(file, FAULT_DELETE, 0, NULL, 0);
            file->exists = 0;
            file->size = 0;
            if (syncs_directory) sync_directory(disk);
        }
    }
    pthread_mutex_unlock(&disk->lock);
    return code;
}

static sqlite3_vfs *real_vfs(sqlite3_vfs *vfs) { return ((fault_disk *)vfs)->real; }

static int disk_access(sqlite3_vfs *vfs, const char *path, int flags, int *out) {
    return real_vfs(vfs)->xAccess(real_vfs(vfs), path, flags, out);
}
static int disk_full_path(sqlite3_vfs *vfs, const char *path, int count, char *out) {
    return real_vfs(vfs)->xFullPathname(real_vfs(vfs), path, count, out);
}
static int disk_randomness(sqlite3_vfs *vfs, int count, char *out) {
    return real_vfs(vfs)->xRandomness(real_vfs(vfs), count, out);
}
static int disk_sleep(sqlite3_vfs *vfs, int microseconds) {
    return real_vfs(vfs)->xSleep(real_vfs(vfs), microseconds);
}
static int disk_time(sqlite3_vfs *vfs, double *out) {
    return real_vfs(vfs)->xCurrentTime(real_vfs(vfs), out);
}
static int disk_time_int64(sqlite3_vfs *vfs, sqlite3_int64 *out) {
    return real_vfs(vfs)->xCurrentTimeInt64(real_vfs(vfs), out);
}
static int disk_last_error(sqlite3_vfs *vfs, int count, char *out) {
    return real_vfs(vfs)->xGetLastError(real_vfs(vfs), count, out);
}

// MARK: The disk

fault_disk *fault_disk_create(const char *name) {
    fault_disk *disk = calloc(1, sizeof *disk);
    if (!disk) return NULL;
    disk->real = sqlite3_vfs_find("unix");
    if (!disk->real || sqlite3_initialize() != SQLITE_OK) {
        free(disk);
        return NULL;
    }
    pthread_mutexattr_t attributes;
    pthread_mutexattr_init(&attributes);
    // An observer makes crash images from inside an operation.
    pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&disk->lock, &attributes);
    pthread_mutexattr_destroy(&attributes);
    snprintf(disk->name, sizeof disk->name, "%s", name);
    disk->vfs = (sqlite3_vfs){
        .iVersion = 2,
        .szOsFile = (int)sizeof(struct handle) + disk->real->szOsFile,
        .mxPathname = disk->real->mxPathname,
        .zName = disk->name,
        .xOpen = disk_open,
        .xDelete = disk_delete,
        .xAccess = disk_access,
        .xFullPathname = disk_full_path,
        .xRandomness = disk_randomness,
        .xSleep = disk_sleep,
        .xCurrentTime = disk_time,
        .xCurrentTimeInt64 = disk_time_int64,
        .xGetLastError = disk_last_error,
    };
    sqlite3_vfs_register(&disk->vfs, 0);
    return disk;
}

void fault_disk_destroy(fault_disk *disk) {
    sqlite3_vfs_unregister(&disk->vfs);
    free_files(disk);
    pthread_mutex_destroy(&disk->lock);
    free(disk);
}

void fault_disk_observe(fault_disk *disk, fault_observer observer, void *context) {
    pthread_mutex_lock(&disk->lock);
    disk->observer = observer;
    disk->context = context;
    pthread_mutex_unlock(&disk->lock);
}

int fault_disk_add_rule(fault_disk *disk, fault_rule rule) {
    pthread_mutex_lock(&disk->lock);
    int is_room = disk->rule_count < RULES_MAX;
    if (is_room) {
        disk->rules[disk->rule_count].rule = rule;
        disk->rules[disk->rule_count++].seen = 0;
    }
    pthread_mutex_unlock(&disk->lock);
    return is_room ? 0 : -1;
}

void fault_disk_clear_rules(fault_disk *disk) {
    pthread_mutex_lock(&disk->lock);
    disk->rule_count = 0;
    pthread_mutex_unlock(&disk->lock);
}

int64_t fault_disk_failures(fault_disk *disk) {
    pthread_mutex_lock(&disk->lock);
    int64_t failures = disk->failures;
    pthread_mutex_unlock(&disk->lock);
    return failures;
}

void fault_disk_set_capacity(fault_disk *disk, int64_t bytes) {
    pthread_mutex_lock(&disk->lock);
    disk->capacity = bytes;
    pthread_mutex_unlock(&disk->lock);
}

void fault_disk_set_read_only(fault_disk *disk, int is_read_only) {
    pthread_mutex_lock(&disk->lock);
    disk->is_read_only = is_read_only;
    pthread_mutex_unlock(&disk->lock);
}

int64_t fault_disk_count(fault_disk *disk, int operations, int files) {
    int64_t total = 0;
    pthread_mutex_lock(&disk->lock);
    for (int o = 0; o < OPERATION_BITS; o++) {
        for (int f = 0; f < FILE_BITS; f++) {
            if ((operations >> o & 1) && (files >> f & 1)) total += disk->counts[o][f];
        }
    }
    pthread_mutex_unlock(&disk->lock);
    return total;
}
