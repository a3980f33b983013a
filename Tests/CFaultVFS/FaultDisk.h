#ifndef LOOPSPOOL_FAULTDISK_H
#define LOOPSPOOL_FAULTDISK_H

#include <pthread.h>
#include <sqlite3.h>

#include "CFaultVFS.h"

enum { RULES_MAX = 8, OPERATION_BITS = 6, FILE_BITS = 3 };

// What an unfinished sync makes of a change: a sync that failed leaves its changes tainted, because a
// kernel may drop them and report the next sync as done (Linux marks such pages clean; see "PostgreSQL
// vs. fsync", FOSDEM 2019).
enum change_state { UNSYNCED, TAINTED, SYNCED };

struct change {
    int operation;  // FAULT_WRITE, FAULT_TRUNCATE or FAULT_DELETE
    enum change_state state;
    sqlite3_int64 offset;
    int count;
    unsigned char *bytes;
};

// A file by its path, whoever has it open.
struct watched_file {
    struct watched_file *next;
    char *path;
    int kind;
    int exists, is_entry_durable, is_new_entry;
    sqlite3_int64 size;
    // What a power cut cannot take away.
    unsigned char *durable;
    sqlite3_int64 durable_size;
    // What came since, in order.
    struct change *changes;
    int change_count, change_capacity;
};

struct fault_disk {
    sqlite3_vfs vfs;
    sqlite3_vfs *real;
    pthread_mutex_t lock;
    struct watched_file *files;
    fault_observer observer;
    void *context;
    struct {
        fault_rule rule;
        int64_t seen;
    } rules[RULES_MAX];
    int rule_count;
    int64_t failures, capacity;
    int is_read_only;
    int64_t counts[OPERATION_BITS][FILE_BITS];
    char name[64];
};

struct watched_file *watched_file_at(fault_disk *disk, const char *path, int kind);
void note_change(struct watched_file *file, int operation, sqlite3_int64 offset,
                 const void *bytes, int count);
void sync_changes(fault_disk *disk, struct watched_file *file);
void taint_changes(struct watched_file *file);
void sync_directory(fault_disk *disk);
void free_files(fault_disk *disk);

#endif
