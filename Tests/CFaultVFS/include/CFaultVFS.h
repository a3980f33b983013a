#ifndef LOOPSPOOL_CFAULTVFS_H
#define LOOPSPOOL_CFAULTVFS_H

#include <stdint.h>

// A disk for tests: a SQLite VFS over the system's own that remembers what was written since the
// last sync, can leave the files as a power cut would, and fails on demand.
//
// One object is one disk. Database, write-ahead log and rollback journal are watched; everything else
// passes through. Calls from several threads are serialised; a file has one connection at a time.
typedef struct fault_disk fault_disk;

// What is done to a file. Bits, so that a rule may name several.
enum {
    FAULT_WRITE = 1,
    FAULT_SYNC = 2,
    FAULT_READ = 4,
    FAULT_TRUNCATE = 8,
    FAULT_OPEN = 16,
    FAULT_DELETE = 32,
};

// To which file.
enum { FAULT_DATABASE = 1, FAULT_LOG = 2, FAULT_JOURNAL = 4 };

// How much of the failed operation happens nevertheless.
enum { FAULT_EFFECT_NONE = 0, FAULT_EFFECT_HALF = 1, FAULT_EFFECT_WHOLE = 2 };

// What is left of the unsynced after a power cut.
enum {
    CRASH_NOTHING = 0,     // none of it
    CRASH_EVERYTHING = 1,  // all of it
    CRASH_SUBSET = 2,      // each sector by the toss of a coin, in any order
    CRASH_TORN = 3,        // all up to a random operation of each file, and a part of that one
};

typedef struct {
    int operations;   // bits: which operations
    int files;        // bits: on which files
    int64_t first;    // the first matching operation that fails, from 1, counted since the rule came
    int64_t count;    // how many fail; 0: every one from then on
    int code;         // what SQLite is told, e.g. SQLITE_FULL
    int effect;       // how much of it happens nevertheless
} fault_rule;

// Called before each write, sync, truncate and delete of a watched file.
typedef void (*fault_observer)(void *context, int operation, int file);

// Registers a VFS of that name; NULL when there is no memory.
fault_disk *fault_disk_create(const char *name);
// Takes the VFS away. No connection may be open.
void fault_disk_destroy(fault_disk *disk);

void fault_disk_observe(fault_disk *disk, fault_observer observer, void *context);
// Writes the files as a power cut at this moment would leave them into an existing directory. The same
// seed makes the same choices. Returns 0, or an errno.
int fault_disk_crash(fault_disk *disk, int policy, uint64_t seed, const char *directory);

// At most 8 rules at a time; returns 0, or -1 when there are as many.
int fault_disk_add_rule(fault_disk *disk, fault_rule rule);
// The disk is in order again.
void fault_disk_clear_rules(fault_disk *disk);
// How many operations rules have failed.
int64_t fault_disk_failures(fault_disk *disk);
// Bytes that all watched files may have together; 0: no limit. A write beyond it is SQLITE_FULL.
void fault_disk_set_capacity(fault_disk *disk, int64_t bytes);
// As a file system that was remounted read-only: nothing changes any more.
void fault_disk_set_read_only(fault_disk *disk, int is_read_only);
// How many operations of these kinds were done to these files.
int64_t fault_disk_count(fault_disk *disk, int operations, int files);

#endif
