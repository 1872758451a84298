/* The load client: many WebSocket or polling clients in one process and one thread. */
#ifndef LOAD_H
#define LOAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { READ_BYTES = 1 << 18, SID_BYTES = 64, REQUEST_BYTES = 65536 };

/* What a connection is spoken to in. */
enum speech { GETTING, POSTING, SHAKING_HANDS, FRAMES };

struct client;

/* One TCP connection; `rest` is the beginning of what did not arrive whole yet. */
struct channel {
    int fd;
    enum speech speech;
    bool is_busy; /* an HTTP request was sent, its answer is not there yet */
    unsigned char *rest, *unsent;
    size_t rest_size, unsent_size;
    struct client *client;
};

struct client {
    const char *path, *wish; /* where to connect, and what to say to subscribe */
    const char *waiting; /* a packet that follows when the last POST is answered */
    char sid[SID_BYTES];
    bool is_ready, is_lost, is_leaving_polling;
    uint64_t readings;
    struct channel get, post; /* a WebSocket client uses `get` alone */
};

/* How a server is spoken to; `on_open` is told of the 101, `on_message` of each whole message. */
struct protocol {
    const char *name, *subprotocol;
    bool begins_with_polling;
    void (*on_open)(struct client *);
    void (*on_message)(struct client *, const unsigned char *, size_t, uint64_t now_us);
};

extern const struct protocol *protocol;
const struct protocol *find_protocol(const char *name);
void take_packet(struct client *, const unsigned char *, size_t, uint64_t now_us);

/* channel.c: connections */
void open_channels(int epoll_fd, int port);
void write_bytes(struct channel *, const void *, size_t);
void read_channel(struct channel *, unsigned events);
void close_channel(struct channel *);
void lose(struct client *, const char *why);

/* http.c: requests, answers, polling */
void begin(struct client *);
void shake_hands(struct client *);
void post_packet(struct client *, const char *packet);
size_t take_answers(struct channel *, const unsigned char *, size_t, uint64_t now_us);

/* frames.c: WebSocket frames */
void send_text(struct client *, const char *text);
void send_binary(struct client *, const void *data, size_t size);
size_t take_frames(struct channel *, const unsigned char *, size_t, uint64_t now_us);

/* tally.c: what is counted */
uint64_t clock_us(void);
void count_reading(struct client *, const unsigned char *payload, size_t size, uint64_t now_us);
void count_gap(void);
void count_bytes(size_t size);
void note_ready(struct client *);
void note_lost(struct client *);
void mark(void);
void report(const struct client *clients, int count);
int ready_count(void);
int lost_count(void);

#endif
