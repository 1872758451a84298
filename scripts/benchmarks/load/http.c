/* HTTP as far as it is needed: the WebSocket handshake, and long polling over kept connections. */
#include "load.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* The key and its answer stand in RFC 6455, section 1.3. */
#define KEY "dGhlIHNhbXBsZSBub25jZQ=="
enum { SEPARATOR = 0x1e, BODY_MAX = 1024 };

static void get(struct client *client, const char *query)
{
    char request[2048];
    int size = snprintf(request, sizeof request, "GET %s&transport=polling%s HTTP/1.1\r\n"
                        "Host: 127.0.0.1\r\n\r\n", client->path, query);
    client->get.is_busy = true;
    write_bytes(&client->get, request, size);
}

static void poll_again(struct client *client)
{
    char query[SID_BYTES + 8];
    snprintf(query, sizeof query, "&sid=%s", client->sid);
    get(client, query);
}

/* A packet waits for the answer to the last POST, as in a stock client: the server may answer the
   GET first. The packet is a literal or the client's wish, so its bytes stay. */
void post_packet(struct client *client, const char *packet)
{
    static char request[REQUEST_BYTES];
    if (client->post.is_busy) {
        if (client->waiting)
            lose(client, "two packets wait for the answer to a POST");
        client->waiting = packet;
        return;
    }
    int size = snprintf(request, sizeof request,
                        "POST %s&transport=polling&sid=%s HTTP/1.1\r\nHost: 127.0.0.1\r\n"
                        "Content-Type: text/plain;charset=UTF-8\r\nContent-Length: %zu\r\n\r\n%s",
                        client->path, client->sid, strlen(packet), packet);
    client->post.is_busy = true;
    write_bytes(&client->post, request, size);
}

void shake_hands(struct client *client)
{
    char request[REQUEST_BYTES], query[SID_BYTES + 32] = "", offer[64] = "";
    if (strchr(client->path, '?'))
        snprintf(query, sizeof query, "&transport=websocket%s%s", *client->sid ? "&sid=" : "",
                 client->sid);
    if (protocol->subprotocol)
        snprintf(offer, sizeof offer, "Sec-WebSocket-Protocol: %s\r\n", protocol->subprotocol);
    int size = snprintf(request, sizeof request,
                        "GET %s%s HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                        "Sec-WebSocket-Key: " KEY "\r\n%s\r\n", client->path, query, offer);
    close_channel(&client->get);
    close_channel(&client->post);
    client->waiting = NULL;
    client->get.speech = SHAKING_HANDS;
    write_bytes(&client->get, request, size);
}

void begin(struct client *client)
{
    if (protocol->begins_with_polling)
        get(client, "");
    else
        shake_hands(client);
}

/* Answers */

static size_t content_length(const char *head, size_t size)
{
    static const char key[] = "\r\ncontent-length:";
    for (const char *at = head; at < head + size; at++)
        if (strncasecmp(at, key, strlen(key)) == 0)
            return strtoul(at + strlen(key), NULL, 10);
    return 0;
}

static void take_packets(struct client *client, const unsigned char *body, size_t size, uint64_t now_us)
{
    while (size && !client->is_lost) {
        const unsigned char *end = memchr(body, SEPARATOR, size);
        size_t length = end ? (size_t)(end - body) : size;
        take_packet(client, body, length, now_us);
        length += end != NULL;
        body += length;
        size -= length;
    }
}

static void take_answer(struct channel *channel, const unsigned char *body, size_t size, uint64_t now_us)
{
    struct client *client = channel->client;
    channel->is_busy = false;
    if (channel->speech == POSTING) {
        const char *packet = client->waiting;
        client->waiting = NULL;
        if (packet)
            post_packet(client, packet);
        return;
    }
    take_packets(client, body, size, now_us);
    if (!client->is_lost && channel->speech == GETTING)
        poll_again(client);
}

/* Take the answers that are whole; returns their bytes. */
size_t take_answers(struct channel *channel, const unsigned char *data, size_t size, uint64_t now_us)
{
    size_t taken = 0;
    while (channel->fd >= 0 && channel->speech != FRAMES && taken < size) {
        const char *head = (const char *)data + taken;
        const char *end = memmem(head, size - taken, "\r\n\r\n", 4);
        if (!end)
            return taken;
        size_t head_size = end + 4 - head, body_size = content_length(head, end + 2 - head);
        if (head_size + body_size > size - taken)
            return taken;
        taken += head_size + body_size;
        if (strncmp(head, "HTTP/1.1 101", 12) == 0) {
            channel->speech = FRAMES;
            protocol->on_open(channel->client);
        } else if (strncmp(head, "HTTP/1.1 200", 12) == 0) {
            take_answer(channel, (const unsigned char *)head + head_size, body_size, now_us);
        } else {
            lose(channel->client, "the server refused an HTTP request");
        }
    }
    return taken;
}
