/* HTTP at a fixed rate, one log a request: open_loop PORT RATE SECONDS CONNECTIONS SIZE PREFIX
 *
 * Open loop: the n-th request is due at n / RATE, whether or not the ones before were answered, and
 * its latency counts from then, also while it waits for a free connection. Prints one JSON line. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "bench.h"

typedef struct {
    int fd, busy;
    uint64_t due;
    char in[16384];
    size_t have;
} Connection;

static Samples samples;
static uint64_t sent, good, bad;

/* True when a whole answer is in the buffer; its status. */
static int answered(Connection *c, int *status) {
    c->in[c->have] = 0;
    char *head_end = strstr(c->in, "\r\n\r\n"), *field;
    if (!head_end || !(field = strcasestr(c->in, "\r\nContent-Length:"))) return 0;
    size_t length = strtoul(field + 17, NULL, 10);
    if (c->have < (size_t)(head_end - c->in) + 4 + length) return 0;
    *status = atoi(c->in + 9);
    c->have = 0;
    return 1;
}

static void read_in(Connection *c) {
    for (;;) {
        ssize_t n = recv(c->fd, c->in + c->have, sizeof c->in - 1 - c->have, MSG_DONTWAIT);
        if (n < 0 && errno == EAGAIN) return;
        if (n <= 0) die("recv");
        c->have += (size_t)n;
        int status;
        if (!answered(c, &status)) continue;
        add_sample(&samples, now_ns() - c->due);
        if (status == 200) good++;
        else if (!bad++) fprintf(stderr, "answered %d\n", status);
        c->busy = 0;
    }
}

int main(int argc, char **argv) {
    if (argc != 7) {
        fprintf(stderr, "usage: open_loop PORT RATE SECONDS CONNECTIONS SIZE PREFIX\n");
        return 2;
    }
    uint64_t rate = strtoull(argv[2], NULL, 10), total = (uint64_t)(atof(argv[3]) * (double)rate);
    int connections = atoi(argv[4]), one = 1, poll = epoll_create1(0);
    size_t size = strtoull(argv[5], NULL, 10);
    char head[256];
    size_t length = make_template(argv[6], size, "", "").length;
    snprintf(head, sizeof head, "POST /v4/logs HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
             "application/json\r\nContent-Length: %zu\r\n\r\n", length);
    Template request = make_template(argv[6], size, head, "");
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[1])),
                                  .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    Connection *all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        all[i].fd = socket(AF_INET, SOCK_STREAM, 0);
        if (connect(all[i].fd, (struct sockaddr *)&address, sizeof address)) die("connect");
        setsockopt(all[i].fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, all[i].fd, &event);
    }
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}, ready[64];
    epoll_ctl(poll, EPOLL_CTL_ADD, timer, &event);
    uint64_t began = now_ns(), limit = began + (uint64_t)(atof(argv[3]) * 1e9) + 10000000000u;
    while (good + bad < total && now_ns() < limit) {
        for (int i = 0; i < connections && sent < total; i++) {
            uint64_t due = began + sent * 1000000000u / rate;
            if (due > now_ns()) break;
            if (all[i].busy) continue;
            all[i].busy = 1;
            all[i].due = due;
            number_template(&request, sent++);
            ssize_t n = send(all[i].fd, request.text, request.length, MSG_NOSIGNAL);
            if (n != (ssize_t)request.length) die("send");
        }
        uint64_t next = began + sent * 1000000000u / rate;
        if (next > now_ns()) {
            struct itimerspec at = {.it_value = {.tv_sec = (time_t)(next / 1000000000u),
                                                 .tv_nsec = (long)(next % 1000000000u)}};
            timerfd_settime(timer, TFD_TIMER_ABSTIME, &at, NULL);
        }
        int n = epoll_wait(poll, ready, 64, 100);
        for (int i = 0; i < n; i++) {
            if (ready[i].data.ptr) read_in(ready[i].data.ptr);
            else if (read(timer, &(uint64_t){0}, 8) < 0 && errno != EAGAIN) die("timer");
        }
    }
    double seconds = (double)(now_ns() - began) / 1e9;
    printf("{\"sent\":%llu,\"acked\":%llu,\"refused\":%llu,\"seconds\":%.3f,\"p50_ms\":%.3f,"
           "\"p99_ms\":%.3f}\n", (unsigned long long)sent, (unsigned long long)good,
           (unsigned long long)bad, seconds, percentile(&samples, 0.5), percentile(&samples, 0.99));
    return good == total ? 0 : 1;
}
