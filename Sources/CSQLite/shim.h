#ifndef LOOPSPOOL_CSQLITE_SHIM_H
#define LOOPSPOOL_CSQLITE_SHIM_H

#include <sqlite3.h>
#include <string.h>

// SQLITE_STATIC and SQLITE_TRANSIENT are casts that Swift cannot import.

static inline int shim_bind_blob_static(sqlite3_stmt *s, int i, const void *bytes, int count) {
    return count == 0 ? sqlite3_bind_zeroblob(s, i, 0) : sqlite3_bind_blob(s, i, bytes, count, SQLITE_STATIC);
}

static inline int shim_bind_blob_copy(sqlite3_stmt *s, int i, const void *bytes, int count) {
    return count == 0 ? sqlite3_bind_zeroblob(s, i, 0) : sqlite3_bind_blob(s, i, bytes, count, SQLITE_TRANSIENT);
}

static inline int shim_bind_text_copy(sqlite3_stmt *s, int i, const void *bytes, int count) {
    return sqlite3_bind_text(s, i, count == 0 ? "" : (const char *)bytes, count, SQLITE_TRANSIENT);
}

// sqlite3_db_config is variadic, which Swift cannot call.
static inline int shim_no_checkpoint_on_close(sqlite3 *db) {
    return sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int *)0);
}

// A VFS's file cannot be opened from Swift: its size is known only at run time, and SQLite wants a
// write-ahead log's name to end in two zero bytes (sqlite.org/c3ref/vfs.html).
static inline int shim_settle_open_file(sqlite3_file *file) {
    enum { PART = 1 << 16 };
    sqlite3_int64 size = 0;
    int code = file->pMethods->xFileSize(file, &size);
    if (code != SQLITE_OK || size == 0) return code;
    char *part = sqlite3_malloc(PART);
    if (!part) return SQLITE_NOMEM;
    for (sqlite3_int64 place = 0; code == SQLITE_OK && place < size; place += PART) {
        int count = size - place < PART ? (int)(size - place) : PART;
        code = file->pMethods->xRead(file, part, count, place);
        if (code == SQLITE_OK) code = file->pMethods->xWrite(file, part, count, place);
    }
    sqlite3_free(part);
    return code == SQLITE_OK ? file->pMethods->xSync(file, SQLITE_SYNC_NORMAL) : code;
}

static inline int shim_settle_file(const char *vfs_name, const char *path) {
    sqlite3_vfs *vfs = sqlite3_vfs_find(vfs_name);
    if (!vfs) return SQLITE_CANTOPEN;
    int exists = 0;
    int code = vfs->xAccess(vfs, path, SQLITE_ACCESS_EXISTS, &exists);
    if (code != SQLITE_OK || !exists) return code;
    size_t count = strlen(path);
    sqlite3_file *file = (sqlite3_file *)sqlite3_malloc(vfs->szOsFile);
    char *name = (char *)sqlite3_malloc((int)count + 4);
    if (file && name) {
        memset(file, 0, (size_t)vfs->szOsFile);
        memset(name, 0, count + 4);
        memcpy(name, path, count);
        code = vfs->xOpen(vfs, name, file, SQLITE_OPEN_READWRITE | SQLITE_OPEN_WAL, 0);
        if (code == SQLITE_OK) code = shim_settle_open_file(file);
        if (file->pMethods) file->pMethods->xClose(file);
    } else {
        code = SQLITE_NOMEM;
    }
    sqlite3_free(name);
    sqlite3_free(file);
    return code;
}

#endif
