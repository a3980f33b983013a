#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "FaultDisk.h"

// MARK: What changed since the last sync

void note_change(struct watched_file *file, int operation, sqlite3_int64 offset,
                 const void *bytes, int count) {
    if (file->change_count == file->change_capacity) {
        file->change_capacity = file->change_capacity ? file->change_capacity * 2 : 64;
        file->changes = realloc(file->changes, file->change_capacity * sizeof(struct change));
    }
    struct change *change = &file->changes[file->change_count++];
    *change = (struct change){.operation = operation, .offset = offset, .count = count};
    if (count > 0) {
        change->bytes = malloc(count);
        memcpy(change->bytes, bytes, count);
    }
}

static void drop_changes(struct watched_file *file, int count) {
    for (int i = 0; i < count; i++) free(file->changes[i].bytes);
    memmove(file->changes, file->changes + count,
            (file->change_count - count) * sizeof(struct change));
    file->change_count -= count;
}

struct image {
    unsigned char *bytes;
    sqlite3_int64 size, capacity;
};

static void resize(struct image *image, sqlite3_int64 size) {
    if (size > image->capacity) {
        sqlite3_int64 capacity = size > image->capacity * 2 ? size : image->capacity * 2;
        image->bytes = realloc(image->bytes, capacity);
        image->capacity = capacity;
    }
    if (size > image->size) memset(image->bytes + image->size, 0, size - image->size);
    image->size = size;
}

static void write_part(struct image *image, const struct change *change, int from, int to) {
    if (from >= to) return;
    if (change->offset + to > image->size) resize(image, change->offset + to);
    memcpy(image->bytes + change->offset + from, change->bytes + from, to - from);
}

static void apply(struct image *image, const struct change *change) {
    switch (change->operation) {
    case FAULT_WRITE: write_part(image, change, 0, change->count); break;
    case FAULT_TRUNCATE: resize(image, change->offset); break;
    case FAULT_DELETE: resize(image, 0); break;
    }
}

// MARK: Syncing

void sync_changes(fault_disk *disk, struct watched_file *file) {
    int is_tainted = 0;
    for (int i = 0; i < file->change_count; i++) {
        if (file->changes[i].state == UNSYNCED) file->changes[i].state = SYNCED;
        if (file->changes[i].state == TAINTED) is_tainted = 1;
    }
    if (!is_tainted) {
        struct image image = {file->durable, file->durable_size, file->durable_size};
        for (int i = 0; i < file->change_count; i++) apply(&image, &file->changes[i]);
        file->durable = image.bytes;
        file->durable_size = image.size;
        drop_changes(file, file->change_count);
    }
    if (file->is_new_entry) sync_directory(disk);
}

void taint_changes(struct watched_file *file) {
    for (int i = 0; i < file->change_count; i++) {
        if (file->changes[i].state == UNSYNCED) file->changes[i].state = TAINTED;
    }
}

void sync_directory(fault_disk *disk) {
    for (struct watched_file *file = disk->files; file; file = file->next) {
        file->is_entry_durable = file->exists;
        file->is_new_entry = 0;
        for (int i = file->change_count - 1; i >= 0; i--) {
            if (file->changes[i].operation != FAULT_DELETE) continue;
            drop_changes(file, i + 1);
            file->durable_size = 0;
            break;
        }
    }
}

// MARK: Files by path

static void adopt(struct watched_file *file) {
    FILE *stream = fopen(file->path, "rb");
    if (!stream) return;
    fseek(stream, 0, SEEK_END);
    file->durable_size = file->size = ftell(stream);
    file->durable = malloc(file->size ? file->size : 1);
    rewind(stream);
    if (fread(file->durable, 1, file->size, stream) != (size_t)file->size) file->durable_size = 0;
    fclose(stream);
    file->exists = file->is_entry_durable = 1;
}

struct watched_file *watched_file_at(fault_disk *disk, const char *path, int kind) {
    for (struct watched_file *file = disk->files; file; file = file->next) {
        if (strcmp(file->path, path) == 0) return file;
    }
    if (!kind) return NULL;
    struct watched_file *file = calloc(1, sizeof *file);
    file->path = strdup(path);
    file->kind = kind;
    file->next = disk->files;
    disk->files = file;
    adopt(file);
    return file;
}

void free_files(fault_disk *disk) {
    while (disk->files) {
        struct watched_file *file = disk->files;
        disk->files = file->next;
        drop_changes(file, file->change_count);
        free(file->changes);
        free(file->durable);
        free(file->path);
        free(file);
    }
}

// MARK: Power cuts

// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators", 2014).
static uint64_t next_random(uint64_t *state) {
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static int coin(uint64_t *state) { return next_random(state) >> 63; }

static void write_subset(struct image *image, const struct change *change, int sector,
                         uint64_t *state) {
    int from = 0;
    while (from < change->count) {
        // Sectors lie at multiples of their size in the file, not in the write.
        int to = from + sector - (int)((change->offset + from) % sector);
        if (to > change->count) to = change->count;
        if (coin(state)) write_part(image, change, from, to);
        from = to;
    }
}

// Returns whether the file is there after the cut.
static int cut(const struct watched_file *file, int policy, uint64_t *state, struct image *image) {
    int sector = coin(state) ? 512 : 4096;
    int end = next_random(state) % (file->change_count + 1);
    int exists = file->is_entry_durable;
    if (!exists && file->exists) exists = policy == CRASH_EVERYTHING || (policy && coin(state));
    for (int i = 0; i < file->change_count; i++) {
        const struct change *change = &file->changes[i];
        int is_kept;
        switch (policy) {
        case CRASH_NOTHING: is_kept = 0; break;
        case CRASH_EVERYTHING: is_kept = 1; break;
        case CRASH_SUBSET: is_kept = change->operation == FAULT_WRITE ? 0 : coin(state); break;
        default: is_kept = i < end; break;
        }
        if (change->state == SYNCED || is_kept) {
            apply(image, change);
            if (change->operation == FAULT_DELETE) exists = file->exists;
        } else if (change->operation == FAULT_DELETE) {
            // The old file is still there; what came after went into another one.
            return 1;
        } else if (change->operation == FAULT_WRITE && policy == CRASH_SUBSET) {
            write_subset(image, change, sector, state);
        } else if (change->operation == FAULT_WRITE && policy == CRASH_TORN && i == end) {
            int parts = change->count / 512 + 1;
            write_part(image, change, 0, (int)(next_random(state) % parts) * 512);
        }
    }
    return exists;
}

static int save(const char *directory, const char *path, const struct image *image) {
    char target[4096];
    const char *name = strrchr(path, '/');
    snprintf(target, sizeof target, "%s/%s", directory, name ? name + 1 : path);
    FILE *stream = fopen(target, "wb");
    if (!stream) return errno;
    size_t count = fwrite(image->bytes, 1, image->size, stream);
    int failure = count == (size_t)image->size ? 0 : errno;
    if (fclose(stream) != 0 && !failure) failure = errno;
    return failure;
}

int fault_disk_crash(fault_disk *disk, int policy, uint64_t seed, const char *directory) {
    uint64_t state = seed;
    int failure = 0;
    pthread_mutex_lock(&disk->lock);
    for (struct watched_file *file = disk->files; file && !failure; file = file->next) {
        struct image image = {malloc(file->durable_size + 1), file->durable_size,
                              file->durable_size + 1};
        memcpy(image.bytes, file->durable ? file->durable : image.bytes, file->durable_size);
        if (cut(file, policy, &state, &image)) failure = save(directory, file->path, &image);
        free(image.bytes);
    }
    pthread_mutex_unlock(&disk->lock);
    return failure;
}
