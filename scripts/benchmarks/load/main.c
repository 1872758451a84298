/* Usage: load PROTOCOL PORT CONNECTING PLAN
 *
 * The file PLAN has a line for each client, PATH<TAB>WISH. Commands come on standard input:
 *   connect    open all, CONNECTING at a time; answers when all are subscribed
 *   deafen N   read nothing more of the first N
 *   mark       forget what was counted
 *   report     print what was counted, as JSON
 * and ends with its input.
 */
#include "load.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { EVENTS = 512, SMALL_BUFFER_BYTES = 4096 };

static struct client *clients;
static int count, begun, connecting_max, events_fd;
static uint64_t began_us;

static void add_client(char *line)
{
    char *wish = strchr(line, '\t');
    clients = realloc(clients, (count + 1) * sizeof *clients);
    if (!clients || !wish) {
        fprintf(stderr, "the plan cannot be read\n");
        exit(2);
    }
    *wish++ = '\0';
    clients[count] = (struct client){.path = line, .wish = wish};
    clients[count].is_leaving_polling = strcmp(protocol->name, "socketio-upgrade") == 0;
    count++;
}

static void read_plan(const char *name)
{
    FILE *plan = fopen(name, "r");
    size_t room = 0;
    ssize_t size;
    for (char *line = NULL; plan && (size = getline(&line, &room, plan)) > 0; line = NULL) {
        line[size - 1] = '\0';
        add_client(line);
        room = 0;
    }
    for (int i = 0; i < count; i++) {
        clients[i].get = (struct channel){.fd = -1, .speech = GETTING, .client = &clients[i]};
        clients[i].post = (struct channel){.fd = -1, .speech = POSTING, .client = &clients[i]};
    }
}

/* Begin as many as may be on their way at once; say so when all have arrived. */
static void connect_more(void)
{
    if (!began_us)
        return;
    int arrived = ready_count() + lost_count();
    while (begun < count && begun - arrived < connecting_max)
        begin(&clients[begun++]);
    if (arrived < count)
        return;
    printf("{\"ready\": %d, \"lost\": %d, \"seconds\": %.6f}\n", ready_count(), lost_count(),
           (double)(clock_us() - began_us) / 1e6);
    fflush(stdout);
    began_us = 0;
}

static void deafen(int number)
{
    int size = SMALL_BUFFER_BYTES;
    for (int i = 0; i < number && i < count; i++) {
        epoll_ctl(events_fd, EPOLL_CTL_DEL, clients[i].get.fd, NULL);
        setsockopt(clients[i].get.fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    }
    printf("{\"deaf\": %d}\n", number);
    fflush(stdout);
}

static void obey(char *command)
{
    if (strcmp(command, "connect") == 0) {
        began_us = clock_us();
    } else if (strcmp(command, "mark") == 0) {
        mark();
        printf("{}\n");
        fflush(stdout);
    } else if (strcmp(command, "report") == 0) {
        report(clients, count);
    } else if (strncmp(command, "deafen ", 7) == 0) {
        deafen(atoi(command + 7));
    } else {
        fprintf(stderr, "unknown command: %s\n", command);
        exit(2);
    }
}

static void read_commands(void)
{
    char text[256];
    ssize_t size = read(STDIN_FILENO, text, sizeof text - 1);
    if (size <= 0)
        exit(0);
    text[size] = '\0';
    for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n"))
        obey(line);
}

static void run(void)
{
    struct epoll_event events[EVENTS], commands = {.events = EPOLLIN, .data.ptr = NULL};
    epoll_ctl(events_fd, EPOLL_CTL_ADD, STDIN_FILENO, &commands);
    for (;;) {
        int number = epoll_wait(events_fd, events, EVENTS, -1);
        for (int i = 0; i < number; i++) {
            struct channel *channel = events[i].data.ptr;
            if (!channel)
                read_commands();
            else if (channel->fd >= 0)
                read_channel(channel, events[i].events);
        }
        connect_more();
    }
}

int main(int argc, char **argv)
{
    struct rlimit files;
    if (argc != 5 || !(protocol = find_protocol(argv[1]))) {
        fprintf(stderr, "usage: load PROTOCOL PORT CONNECTING PLAN\n");
        return 2;
    }
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    connecting_max = atoi(argv[3]);
    events_fd = epoll_create1(0);
    open_channels(events_fd, atoi(argv[2]));
    read_plan(argv[4]);
    printf("{\"clients\": %d}\n", count);
    fflush(stdout);
    run();
}
