/* NDJSON with acks: ndjson_load SOCKET CONNECTIONS WINDOW SECONDS EVENTS SIZE PREFIX
 *
 * Every connection keeps up to WINDOW lines without an ack. Ends after SECONDS, or EVENTS lines
 * when that is not 0, and waits for the last acks. Latency: from making a line for the next write
 * to the ack that covers it. Prints one JSON line. */
#define _GNU_SOURCE
#include <errno.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "bench.h"

#define OUT_ROOM (256u << 10)

typedef struct {
    int fd;
    char out[OUT_ROOM], in[8192];
    size_t from, to, have;
    uint64_t written, acked;
    uint64_t *times; /* of the lines without an ack, a ring of `window` */
} Connection;

static Template line;
static Samples samples;
static uint64_t made, acked, refused, window, events_max, deadline;

static int more(void) {
    return now_ns() < deadline && (!events_max || made < events_max);
}

static void fill(Connection *c) {
    if (c->from == c->to) c->from = c->to = 0;
    if (c->from) return;
    uint64_t now = now_ns();
    while (c->to + line.length <= OUT_ROOM && c->written - c->acked < window && more()) {
        number_template(&line, made++);
        memcpy(c->out + c->to, line.text, line.length);
        c->to += line.length;
        c->times[c->written++ % window] = now;
    }
}

static void write_out(Connection *c) {
    for (;;) {
        fill(c);
        if (c->from == c->to) return;
        ssize_t n = send(c->fd, c->out + c->from, c->to - c->from,
                         MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n < 0) die("send");
        c->from += (size_t)n;
    }
}

static void settle(Connection *c, uint64_t upto) {
    uint64_t now = now_ns();
    for (; c->acked < upto; c->acked++, acked++)
        add_sample(&samples, now - c->times[c->acked % window]);
}

static void read_in(Connection *c) {
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->have, sizeof c->in - c->have, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) die("recv");
        c->have += (size_t)n;
        char *start = c->in, *end;
        while ((end = memchr(start, '\n', c->have - (size_t)(start - c->in)))) {
            *end = 0;
            char *key = strstr(start, "\"acked\":");
            if (key) settle(c, strtoull(key + 8, NULL, 10));
            else if (!refused++) fprintf(stderr, "refused: %s\n", start);
            start = end + 1;
        }
        c->have -= (size_t)(start - c->in);
        memmove(c->in, start, c->have);
        if (c->have == sizeof c->in) c->have = 0; /* a very long refusal: counted when it ends */
    }
}

int main(int argc, char **argv) {
    if (argc != 8) {
        fprintf(stderr, "usage: ndjson_load SOCKET CONNECTIONS WINDOW SECONDS EVENTS SIZE "
                "PREFIX\n");
        return 2;
    }
    int connections = atoi(argv[2]), poll = epoll_create1(0);
    window = strtoull(argv[3], NULL, 10);
    events_max = strtoull(argv[5], NULL, 10);
    line = make_template(argv[7], strtoull(argv[6], NULL, 10), "{\"log\":", "}\n");
    uint64_t began = now_ns();
    deadline = began + (uint64_t)(atof(argv[4]) * 1e9);
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    strncpy(address.sun_path, argv[1], sizeof address.sun_path - 1);
    Connection **all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        Connection *c = all[i] = calloc(1, sizeof *c);
        c->times = calloc(window, sizeof *c->times);
        c->fd = socket(AF_UNIX, SOCK_STREAM, 0);
        if (connect(c->fd, (struct sockaddr *)&address, sizeof address)) die("connect");
        if (write(c->fd, "{\"acks\":true}\n", 14) != 14) die("write");
        struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
        if (epoll_ctl(poll, EPOLL_CTL_ADD, c->fd, &event)) die("epoll_ctl");
    }
    struct epoll_event ready[64];
    uint64_t last = began;
    while (more() || acked < made) {
        int n = epoll_wait(poll, ready, 64, 100);
        for (int i = 0; i < n; i++) {
            read_in(ready[i].data.ptr);
            write_out(ready[i].data.ptr);
        }
        if (n) last = now_ns();
        if (now_ns() > deadline + 10000000000u || now_ns() > last + 10000000000u) break;
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    printf("{\"events\":%llu,\"acked\":%llu,\"refused\":%llu,\"seconds\":%.4f,\"per_second\":%.0f,"
           "\"p50_ms\":%.3f,\"p99_ms\":%.3f}\n",
           (unsigned long long)made, (unsigned long long)acked, (unsigned long long)refused,
           seconds, (double)acked / seconds, percentile(&samples, 0.5), percentile(&samples, 0.99));
    return acked == made && !refused ? 0 : 1;
}
