/* WebSocket frames (RFC 6455, section 5): whole messages in, masked ones out. */
#include "load.h"

#include <string.h>

enum { CONTINUED = 0, TEXT = 1, BINARY = 2, CLOSE = 8, PING = 9, PONG = 10 };
enum { FINAL = 0x80, MASKED = 0x80, HEADER_MAX = 14 };

struct frame {
    unsigned opcode;
    const unsigned char *payload;
    size_t size;
};

/* The mask is four zeros: allowed, and the payload stays as it is. */
static void send_frame(struct client *client, unsigned opcode, const void *data, size_t size)
{
    unsigned char bytes[HEADER_MAX + REQUEST_BYTES] = {FINAL | opcode};
    size_t header = 2;
    if (size < 126) {
        bytes[1] = MASKED | size;
    } else {
        bytes[1] = MASKED | 126;
        bytes[2] = size >> 8;
        bytes[3] = size & 0xff;
        header = 4;
    }
    if (size > REQUEST_BYTES - 4 || size > 0xffff) {
        lose(client, "a message to the server is too large");
        return;
    }
    memcpy(bytes + header + 4, data, size);
    write_bytes(&client->get, bytes, header + 4 + size);
}

void send_text(struct client *client, const char *text)
{
    send_frame(client, TEXT, text, strlen(text));
}

void send_binary(struct client *client, const void *data, size_t size)
{
    send_frame(client, BINARY, data, size);
}

static void take_frame(struct client *client, const struct frame *frame, uint64_t now_us)
{
    switch (frame->opcode) {
    case FINAL | TEXT:
    case FINAL | BINARY:
        protocol->on_message(client, frame->payload, frame->size, now_us);
        break;
    case FINAL | PING:
        send_frame(client, PONG, frame->payload, frame->size);
        break;
    case FINAL | PONG:
        break;
    case FINAL | CLOSE:
        lose(client, "the server closed the WebSocket");
        break;
    default:
        lose(client, "the server sent a frame that is not understood");
    }
}

/* Read one frame; returns its bytes, header included, 0 when it is not whole yet. */
static size_t parse_frame(const unsigned char *data, size_t size, struct frame *frame)
{
    size_t header = 2, length;
    if (size < header)
        return 0;
    length = data[1] & 0x7f;
    if (length >= 126) {
        size_t digits = length == 126 ? 2 : 8;
        header += digits;
        if (size < header)
            return 0;
        length = 0;
        for (size_t i = 2; i < header; i++)
            length = length << 8 | data[i];
    }
    if (size - header < length)
        return 0;
    *frame = (struct frame){data[0], data + header, length};
    return header + length;
}

size_t take_frames(struct channel *channel, const unsigned char *data, size_t size, uint64_t now_us)
{
    size_t taken = 0, whole;
    struct frame frame;
    while (channel->fd >= 0 && (whole = parse_frame(data + taken, size - taken, &frame))) {
        take_frame(channel->client, &frame, now_us);
        taken += whole;
    }
    return taken;
}
