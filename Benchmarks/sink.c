/* A fast upstream for measuring: sink PORT
 *
 * HTTP/1.1 with keep-alive on 127.0.0.1, one thread. POST /…/logs and /…/feedback are answered with
 * an id per element, counted by a scan that knows strings. PATCH with a body is answered 200; the
 * question `PATCH {}` only for a reference that has arrived (the last 700,000 or so), else 404.
 * GET /count tells what arrived, and when the first and the last element did. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <unistd.h>

#include "bench.h"

#define BODY_MAX (32u << 20)

typedef struct {
    int fd;
    char *in, *out;
    size_t have, room, sent, length, out_room;
} Connection;

static uint64_t elements, requests, first_ns, last_ns;

/* The hashes of the references that arrived; forgotten all at once when three quarters are used. */
#define KNOWN (1u << 20)
static uint64_t known[KNOWN];
static size_t known_count;

static uint64_t hash_of(const char *text, size_t length) {
    uint64_t hash = 1469598103934665603u;
    for (size_t i = 0; i < length; i++) hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
    return hash | 1;
}

static uint64_t *slot_of(uint64_t hash) {
    size_t at = (hash >> 20) & (KNOWN - 1);
    while (known[at] && known[at] != hash) at = (at + 1) & (KNOWN - 1);
    return &known[at];
}

static void remember(const char *text, size_t length) {
    if (known_count > KNOWN / 4 * 3) {
        memset(known, 0, sizeof known);
        known_count = 0;
    }
    uint64_t hash = hash_of(text, length), *slot = slot_of(hash);
    known_count += !*slot;
    *slot = hash;
}

/* Top-level elements of an array, 1 for an object; remembers their references. */
static size_t count_elements(const char *p, const char *end, int *is_array) {
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t')) p++;
    *is_array = p < end && *p == '[';
    size_t count = 0;
    int depth = 0, any = 0, is_reference = 0, level = *is_array ? 2 : 1;
    for (; p < end; p++) {
        switch (*p) {
        case '"':
            any = 1;
            const char *text = p + 1;
            for (p++; p < end && *p != '"'; p++)
                if (*p == '\\') p++;
            if (depth != level) break;
            if (is_reference) remember(text, (size_t)(p - text));
            is_reference = p - text == 12 && !memcmp(text, "reference_id", 12);
            break;
        case '{': case '[':
            any |= depth++ > 0;
            break;
        case '}': case ']':
            any |= depth-- > 1;
            break;
        case ',':
            count += depth == 1;
            is_reference = 0;
            break;
        case ' ': case '\n': case '\r': case '\t':
            break;
        default:
            any = 1;
        }
    }
    return !*is_array ? 1 : any ? count + 1 : 0;
}

static void reserve(Connection *c, size_t more) {
    if (c->length + more <= c->out_room) return;
    c->out_room = (c->length + more) * 2;
    if (!(c->out = realloc(c->out, c->out_room))) die("realloc");
}

static void answer(Connection *c, int status, const char *body, size_t length) {
    reserve(c, length + 160);
    c->length += (size_t)sprintf(c->out + c->length,
                                 "HTTP/1.1 %d %s\r\nContent-Type: application/json\r\n"
                                 "Content-Length: %zu\r\n\r\n",
                                 status, status == 200 ? "OK" : "Not Found", length);
    memcpy(c->out + c->length, body, length);
    c->length += length;
}

static void answer_post(Connection *c, const char *body, size_t length, int is_log) {
    static char text[BODY_MAX / 8];
    int is_array;
    size_t count = count_elements(body, body + length, &is_array), n = 0;
    last_ns = now_ns();
    if (!elements) first_ns = last_ns;
    if (is_array) text[n++] = '[';
    for (size_t i = 0; i < count && n + 160 < sizeof text; i++) {
        if (i) text[n++] = ',';
        n += (size_t)sprintf(text + n,
                             is_log ? "{\"id\":\"data_%021llu\",\"project_id\":\"pr_bench\"}"
                                    : "{\"id\":\"ann_%021llu\",\"type\":\"t\",\"value\":\"v\"}",
                             (unsigned long long)++elements);
    }
    if (is_array) text[n++] = ']';
    answer(c, 200, text, n);
}

static void answer_patch(Connection *c, const char *path, const char *path_end, size_t length) {
    const char *key = memmem(path, (size_t)(path_end - path), "reference_id=", 13);
    int ours = key && *slot_of(hash_of(key + 13, (size_t)(path_end - key - 13)));
    if (length > 2) elements++, last_ns = now_ns();
    char text[1024];
    if (length <= 2 && !ours) {
        answer(c, 404, "{\"detail\":\"unknown\"}", 20);
        return;
    }
    int n = snprintf(text, sizeof text, "{\"id\":\"data_%021d\",\"reference_id\":\"%.*s\"}", 1,
                     key ? (int)(path_end - key - 13) : 0, key ? key + 13 : "");
    answer(c, 200, text, (size_t)n);
}

/* Answers every complete request in the buffer; false when the connection must close. */
static int handle(Connection *c) {
    size_t at = 0;
    while (at < c->have) {
        char *start = c->in + at, *head_end = memmem(start, c->have - at, "\r\n\r\n", 4);
        if (!head_end) break;
        *head_end = 0;
        char *field = strcasestr(start, "\r\nContent-Length:");
        int is_chunked = strcasestr(start, "\r\nTransfer-Encoding:") != NULL;
        size_t length = field ? strtoul(field + 17, NULL, 10) : 0;
        *head_end = '\r';
        if (is_chunked || length > BODY_MAX) return 0;
        size_t head = (size_t)(head_end - start) + 4;
        if (c->have - at < head + length) break;
        char *path = memchr(start, ' ', head);
        char *path_end = path ? memchr(path + 1, ' ', (size_t)(head_end - path)) : NULL;
        if (!path_end) return 0;
        if (!strncmp(start, "GET", 3)) {
            char text[256];
            int n = sprintf(text, "{\"elements\":%llu,\"requests\":%llu,\"first_ns\":%llu,"
                            "\"last_ns\":%llu}", (unsigned long long)elements,
                            (unsigned long long)requests, (unsigned long long)first_ns,
                            (unsigned long long)last_ns);
            answer(c, 200, text, (size_t)n);
        } else if (!strncmp(start, "PATCH", 5)) {
            requests++;
            answer_patch(c, path + 1, path_end, length);
        } else {
            requests++;
            int is_log = memmem(path, (size_t)(path_end - path), "/logs", 5) != NULL;
            answer_post(c, start + head, length, is_log);
        }
        at += head + length;
    }
    memmove(c->in, c->in + at, c->have - at);
    c->have -= at;
    return 1;
}

static int flush_out(Connection *c) {
    while (c->sent < c->length) {
        ssize_t n = send(c->fd, c->out + c->sent, c->length - c->sent, MSG_NOSIGNAL);
        if (n < 0) return errno == EAGAIN;
        c->sent += (size_t)n;
    }
    c->sent = c->length = 0;
    return 1;
}

/* Edge-triggered: reads until there is nothing more. */
static int serve(Connection *c) {
    for (;;) {
        if (c->have == c->room) {
            c->room = c->room ? c->room * 2 : 1 << 18;
            if (c->room > 2 * BODY_MAX || !(c->in = realloc(c->in, c->room))) return 0;
        }
        ssize_t n = recv(c->fd, c->in + c->have, c->room - c->have, 0);
        if (n == 0 || (n < 0 && errno != EAGAIN)) return 0;
        if (n < 0) return flush_out(c);
        c->have += (size_t)n;
        if (!handle(c) || !flush_out(c)) return 0;
    }
}

int main(int argc, char **argv) {
    if (argc != 2) {
        fprintf(stderr, "usage: sink PORT\n");
        return 2;
    }
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    if (bind(listener, (struct sockaddr *)&address, sizeof address)) die("bind");
    if (listen(listener, 128)) die("listen");
    int poll = epoll_create1(0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, events[64];
    epoll_ctl(poll, EPOLL_CTL_ADD, listener, &event);
    for (;;) {
        int n = epoll_wait(poll, events, 64, -1);
        for (int i = 0; i < n; i++) {
            Connection *c = events[i].data.ptr;
            if (c) {
                if (serve(c)) continue;
                close(c->fd);
                free(c->in);
                free(c->out);
                free(c);
                continue;
            }
            int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
            if (fd < 0) continue;
            setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            c = calloc(1, sizeof *c);
            c->fd = fd;
            event = (struct epoll_event){.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET,
                                         .data.ptr = c};
            epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        }
    }
}
