#ifndef LOOPSPOOL_CSQLITE_SHIM_H
#define LOOPSPOOL_CSQLITE_SHIM_H

#include <sqlite3.h>

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

#endif
