/* What the load generators share: the clock, one event's text, and percentiles. */
#ifndef BENCH_H
#define BENCH_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void die(const char *what) {
    perror(what);
    exit(1);
}

/* A log of `size` bytes between `before` and `after`; its reference is patched per event. */
typedef struct {
    char *text;
    size_t length;
    size_t digits; /* offset of the 12 digits that make the reference unique */
} Template;

static inline Template make_template(const char *prefix, size_t size, const char *before,
                                     const char *after) {
    static const char *words = "the model answered \\\"yes\\\" to caf\xc3\xa9 questions\\n, "
                               "retrieved passage 42 \xf0\x9f\x99\x82 and stopped; ";
    char head[512];
    int n = snprintf(head, sizeof head,
                     "%s{\"project\":\"bench\",\"reference_id\":\"bench-%s-000000000000\","
                     "\"config\":{\"type\":\"model\",\"model\":\"gpt-4\"},\"duration\":1.25,"
                     "\"messages\":[{\"role\":\"user\",\"content\":\"How so?\"}],\"output\":\"",
                     before, prefix);
    const char *tail = "\"}";
    Template t;
    t.text = malloc((size_t)n + size + 64);
    memcpy(t.text, head, (size_t)n);
    t.digits = (size_t)(strstr(head, "-000000000000\"") - head) + 1;
    t.length = (size_t)n;
    while (t.length + strlen(words) + 2 <= size + strlen(before)) {
        memcpy(t.text + t.length, words, strlen(words));
        t.length += strlen(words);
    }
    while (t.length + 2 < size + strlen(before)) t.text[t.length++] = 'x';
    memcpy(t.text + t.length, tail, 2);
    t.length += 2;
    memcpy(t.text + t.length, after, strlen(after));
    t.length += strlen(after);
    return t;
}

static inline void number_template(Template *t, uint64_t number) {
    for (int i = 11; i >= 0; i--, number /= 10) t->text[t->digits + (size_t)i] = '0' + number % 10;
}

/* Latencies in microseconds. */
typedef struct {
    uint32_t *values;
    size_t count, room;
} Samples;

static inline void add_sample(Samples *s, uint64_t ns) {
    if (s->count == s->room) {
        s->room = s->room ? s->room * 2 : 1 << 16;
        s->values = realloc(s->values, s->room * sizeof *s->values);
    }
    s->values[s->count++] = (uint32_t)(ns / 1000);
}

static int compare_samples(const void *a, const void *b) {
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Milliseconds; the samples are sorted by the first call. */
static inline double percentile(Samples *s, double share) {
    if (!s->count) return 0;
    qsort(s->values, s->count, sizeof *s->values, compare_samples);
    size_t at = (size_t)((double)s->count * share);
    return s->values[at < s->count ? at : s->count - 1] / 1000.0;
}

#endif
