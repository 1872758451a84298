/* Connections: opened when first written to, read as a whole, closed by a reset. */
#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { WHOLE_MAX = 1 << 20 };

static int events_fd, server_port;

void open_channels(int epoll_fd, int port)
{
    events_fd = epoll_fd;
    server_port = port;
}

static void watch(struct channel *channel, int operation, unsigned events)
{
    struct epoll_event event = {.events = events, .data.ptr = channel};
    epoll_ctl(events_fd, operation, channel->fd, &event);
}

/* Closing by a reset leaves no port in TIME_WAIT: the next run needs as many again. */
static void open_channel(struct channel *channel)
{
    struct sockaddr_in server = {AF_INET, htons(server_port), {htonl(INADDR_LOOPBACK)}, {0}};
    struct linger reset = {1, 0};
    int on = 1;
    channel->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (channel->fd < 0) {
        lose(channel->client, strerror(errno));
        return;
    }
    setsockopt(channel->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    setsockopt(channel->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    if (connect(channel->fd, (struct sockaddr *)&server, sizeof server) && errno != EINPROGRESS) {
        lose(channel->client, strerror(errno));
        return;
    }
    watch(channel, EPOLL_CTL_ADD, EPOLLIN | EPOLLOUT);
}

void close_channel(struct channel *channel)
{
    if (channel->fd >= 0)
        close(channel->fd);
    free(channel->rest);
    free(channel->unsent);
    *channel = (struct channel){-1, channel->speech, false, NULL, NULL, 0, 0, channel->client};
}

void lose(struct client *client, const char *why)
{
    if (!client->is_lost && lost_count() < 5)
        fprintf(stderr, "a client was lost: %s\n", why);
    note_lost(client);
    close_channel(&client->get);
    close_channel(&client->post);
}

static void keep(unsigned char **kept, size_t *kept_size, const void *data, size_t size)
{
    *kept = realloc(*kept, *kept_size + size);
    if (!*kept)
        abort();
    memcpy(*kept + *kept_size, data, size);
    *kept_size += size;
}

void write_bytes(struct channel *channel, const void *data, size_t size)
{
    if (channel->client->is_lost)
        return;
    bool is_new = channel->fd < 0;
    if (is_new)
        open_channel(channel);
    ssize_t sent = is_new || channel->unsent_size ? 0 : send(channel->fd, data, size, MSG_NOSIGNAL);
    if (channel->fd < 0 || sent == (ssize_t)size)
        return;
    sent = sent < 0 ? 0 : sent;
    keep(&channel->unsent, &channel->unsent_size, (const char *)data + sent, size - sent);
    watch(channel, EPOLL_CTL_MOD, EPOLLIN | EPOLLOUT);
}

static void write_rest(struct channel *channel)
{
    ssize_t sent = send(channel->fd, channel->unsent, channel->unsent_size, MSG_NOSIGNAL);
    if (sent < 0 && errno != EAGAIN) {
        lose(channel->client, strerror(errno));
        return;
    }
    sent = sent < 0 ? 0 : sent;
    channel->unsent_size -= sent;
    memmove(channel->unsent, channel->unsent + sent, channel->unsent_size);
    if (!channel->unsent_size)
        watch(channel, EPOLL_CTL_MOD, EPOLLIN);
}

/* A server may close a kept HTTP connection that is not in use; the next request opens another. */
static void on_end(struct channel *channel)
{
    if (channel->speech == POSTING && !channel->is_busy)
        close_channel(channel);
    else
        lose(channel->client, "the server closed the connection");
}

static void keep_rest(struct channel *channel, const unsigned char *data, size_t size)
{
    free(channel->rest);
    channel->rest = NULL;
    channel->rest_size = 0;
    if (size)
        keep(&channel->rest, &channel->rest_size, data, size);
}

static void take_bytes(struct channel *channel, const unsigned char *data, size_t size)
{
    uint64_t now_us = clock_us();
    size_t taken = 0;
    if (channel->speech != FRAMES)
        taken = take_answers(channel, data, size, now_us);
    if (channel->fd >= 0 && channel->speech == FRAMES)
        taken += take_frames(channel, data + taken, size - taken, now_us);
    if (channel->fd >= 0)
        keep_rest(channel, data + taken, size - taken);
}

void read_channel(struct channel *channel, unsigned events)
{
    static unsigned char buffer[WHOLE_MAX + READ_BYTES];
    if (events & EPOLLOUT)
        write_rest(channel);
    if (channel->fd < 0 || !(events & ~(unsigned)EPOLLOUT))
        return;
    size_t kept = channel->rest_size;
    if (kept > WHOLE_MAX) {
        lose(channel->client, "a message is larger than a megabyte");
        return;
    }
    ssize_t size = recv(channel->fd, buffer + kept, READ_BYTES, 0);
    if (size > 0) {
        memcpy(buffer, channel->rest, kept);
        count_bytes(size);
        take_bytes(channel, buffer, kept + size);
    } else if (size == 0 || errno != EAGAIN) {
        on_end(channel);
    }
}
