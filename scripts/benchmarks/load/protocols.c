/* What is said to the servers: Socket.IO, MQTT over WebSockets, and WebSockets that just listen. */
#include "load.h"

#include <stdio.h>
#include <string.h>

const struct protocol *protocol;

static void do_nothing(struct client *client) { (void)client; }

/* Socket.IO (protocol 5 in Engine.IO 4) */

static bool begins(const unsigned char *packet, size_t size, const char *text)
{
    size_t length = strlen(text);
    return size >= length && memcmp(packet, text, length) == 0;
}

static void say(struct client *client, const char *packet)
{
    if (client->get.speech == FRAMES)
        send_text(client, packet);
    else
        post_packet(client, packet);
}

static void keep_sid(struct client *client, const unsigned char *packet, size_t size)
{
    static const char key[] = "\"sid\":\"";
    const unsigned char *found = memmem(packet, size, key, strlen(key));
    const unsigned char *from = found ? found + strlen(key) : packet;
    const unsigned char *end = memchr(from, '"', size - (from - packet));
    if (!found || !end || end - from >= SID_BYTES)
        lose(client, "the server's handshake has no usable sid");
    else
        snprintf(client->sid, SID_BYTES, "%.*s", (int)(end - from), (const char *)from);
}

/* A stock client probes the WebSocket once it is open, and lets no poll wait meanwhile. */
static void on_connected(struct client *client)
{
    if (client->is_leaving_polling)
        shake_hands(client);
    else
        say(client, client->wish);
}

static void take_control(struct client *client, const unsigned char *packet, size_t size)
{
    if (begins(packet, size, "0{")) {
        keep_sid(client, packet, size);
        say(client, "40");
    } else if (begins(packet, size, "40")) {
        on_connected(client);
    } else if (begins(packet, size, "43")) {
        note_ready(client);
    } else if (begins(packet, size, "3probe")) {
        say(client, "5");
        say(client, client->wish);
    } else if (begins(packet, size, "2")) {
        say(client, "3");
    } else if (begins(packet, size, "44") || begins(packet, size, "1")) {
        lose(client, "the server refused or closed the connection");
    }
}

void take_packet(struct client *client, const unsigned char *packet, size_t size, uint64_t now_us)
{
    if (begins(packet, size, "42[\"speed_change\""))
        count_reading(client, packet, size, now_us);
    else if (begins(packet, size, "42[\"gap\""))
        count_gap();
    else
        take_control(client, packet, size);
}

static void probe(struct client *client)
{
    if (client->is_leaving_polling)
        send_text(client, "2probe");
}

/* MQTT 3.1.1, as subprotocol of a WebSocket; quality of service 0 */

enum { CONNACK = 0x20, PUBLISH = 0x30, SUBSCRIBE = 0x82, SUBACK = 0x90 };

static void mqtt_connect(struct client *client)
{
    static const unsigned char clean_session[] = {0x10, 12, 0, 4, 'M', 'Q', 'T', 'T', 4, 2, 0, 0, 0, 0};
    send_binary(client, clean_session, sizeof clean_session);
}

/* Subscribe to the topics of the wish, which spaces separate. */
static void mqtt_subscribe(struct client *client)
{
    unsigned char body[REQUEST_BYTES] = {0, 1}, packet[REQUEST_BYTES] = {SUBSCRIBE};
    size_t size = 2, header = 1;
    for (const char *topic = client->wish; *topic; topic += strspn(topic, " ")) {
        size_t length = strcspn(topic, " ");
        body[size++] = length >> 8;
        body[size++] = length & 0xff;
        memcpy(body + size, topic, length);
        size += length;
        body[size++] = 0;
        topic += length;
    }
    for (size_t left = size; header == 1 || left; left >>= 7)
        packet[header++] = (left & 0x7f) | (left > 0x7f ? 0x80 : 0);
    memcpy(packet + header, body, size);
    send_binary(client, packet, header + size);
}

static void take_mqtt(struct client *client, const unsigned char *packet, size_t size, uint64_t now_us)
{
    switch (packet[0] & 0xf0) {
    case CONNACK:
        mqtt_subscribe(client);
        break;
    case SUBACK:
        note_ready(client);
        break;
    case PUBLISH:
        count_reading(client, packet, size, now_us);
        break;
    }
}

/* Take each packet of a message: a server may put several into one. */
static void take_mqtt_packets(struct client *client, const unsigned char *data, size_t size,
                              uint64_t now_us)
{
    while (size > 1) {
        size_t length = 0, header = 1;
        for (unsigned shift = 0; header < size; shift += 7) {
            length |= (size_t)(data[header] & 0x7f) << shift;
            if (!(data[header++] & 0x80))
                break;
        }
        if (length > size - header) {
            lose(client, "an MQTT packet goes on in another message");
            return;
        }
        take_mqtt(client, data, header + length, now_us);
        data += header + length;
        size -= header + length;
    }
}

/* The table */

static const struct protocol PROTOCOLS[] = {
    {"socketio", NULL, false, do_nothing, take_packet},
    {"socketio-upgrade", NULL, true, probe, take_packet},
    {"socketio-polling", NULL, true, do_nothing, take_packet},
    {"mqtt", "mqtt", false, mqtt_connect, take_mqtt_packets},
    {"plain", NULL, false, note_ready, count_reading},
};

const struct protocol *find_protocol(const char *name)
{
    for (size_t i = 0; i < sizeof PROTOCOLS / sizeof *PROTOCOLS; i++)
        if (strcmp(PROTOCOLS[i].name, name) == 0)
            return &PROTOCOLS[i];
    return NULL;
}
