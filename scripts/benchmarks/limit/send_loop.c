/* Usage: send_loop PORT
 *
 * The limit of what a fan-out can cost: one connection feeds messages, and each is sent to every
 * WebSocket client by one send() of its own. Nothing is parsed, queued, kept or repaired; who does
 * not take a whole message at once is closed.
 *
 * A WebSocket client sends its handshake; the feed begins with "FEED\r\n\r\n" instead, followed by
 * messages with their length in front, 4 bytes, the most significant first.
 */
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CLIENTS_MAX = 65536, EVENTS = 512, REQUEST_BYTES = 4096, FEED_BYTES = 1 << 20 };
enum { HEADER_BYTES = 4, FINAL_TEXT = 0x81 };

/* The load client always sends the key of RFC 6455, section 1.3; this is its answer. */
static const char WELCOME[] = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
                              "Connection: Upgrade\r\n"
                              "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";

static int clients[CLIENTS_MAX], count, events_fd, listening_fd, feed_fd = -1;
static unsigned char fed[FEED_BYTES];
static size_t fed_size;

static void watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
    epoll_ctl(events_fd, EPOLL_CTL_ADD, fd, &event);
}

static void forget(int fd)
{
    for (int i = 0; i < count; i++)
        if (clients[i] == fd)
            clients[i--] = clients[--count];
    close(fd);
}

static void admit(void)
{
    int on = 1, fd;
    while ((fd = accept4(listening_fd, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(fd);
    }
}

/* Send a message to everybody; the space in front of it takes the WebSocket header. */
static void send_to_all(unsigned char *message, size_t size)
{
    unsigned char *frame = message - (size < 126 ? 2 : 4);
    size_t frame_size = size + (message - frame);
    frame[0] = FINAL_TEXT;
    frame[1] = size < 126 ? size : 126;
    if (size >= 126) {
        frame[2] = size >> 8;
        frame[3] = size & 0xff;
    }
    for (int i = count - 1; i >= 0; i--)
        if (send(clients[i], frame, frame_size, MSG_NOSIGNAL) != (ssize_t)frame_size)
            forget(clients[i]);
}

static void take_feed(void)
{
    ssize_t size = recv(feed_fd, fed + fed_size, sizeof fed - fed_size, 0);
    if (size <= 0)
        exit(0);
    fed_size += size;
    size_t at = 0;
    while (fed_size - at >= HEADER_BYTES) {
        size_t length = (size_t)fed[at] << 24 | fed[at + 1] << 16 | fed[at + 2] << 8 | fed[at + 3];
        if (fed_size - at - HEADER_BYTES < length)
            break;
        send_to_all(fed + at + HEADER_BYTES, length);
        at += HEADER_BYTES + length;
    }
    fed_size -= at;
    memmove(fed, fed + at, fed_size);
}

/* A request comes whole, in one packet of the loopback; after it, a client says nothing more. */
static void take_request(int fd)
{
    char request[REQUEST_BYTES + 1];
    ssize_t size = recv(fd, request, REQUEST_BYTES, 0);
    request[size < 0 ? 0 : size] = '\0';
    if (strncmp(request, "FEED", 4) == 0) {
        feed_fd = fd;
    } else if (strncmp(request, "GET", 3) == 0 && count < CLIENTS_MAX) {
        send(fd, WELCOME, sizeof WELCOME - 1, MSG_NOSIGNAL);
        clients[count++] = fd;
    } else {
        forget(fd);
    }
}

static int listen_on(int port)
{
    struct sockaddr_in address = {AF_INET, htons(port), {htonl(INADDR_LOOPBACK)}, {0}};
    int on = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&address, sizeof address) || listen(fd, 4096)) {
        perror("send_loop");
        exit(2);
    }
    return fd;
}

static void run(void)
{
    struct epoll_event events[EVENTS];
    for (;;) {
        int number = epoll_wait(events_fd, events, EVENTS, -1);
        for (int i = 0; i < number; i++) {
            int fd = events[i].data.fd;
            if (fd == listening_fd)
                admit();
            else if (fd == feed_fd)
                take_feed();
            else
                take_request(fd);
        }
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    if (argc != 2) {
        fprintf(stderr, "usage: send_loop PORT\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    events_fd = epoll_create1(0);
    listening_fd = listen_on(atoi(argv[1]));
    watch(listening_fd);
    run();
}
