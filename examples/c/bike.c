/* A bike in C with libzmq and cJSON: readings, statuses, and replay of the newest readings.
 *
 *   sudo apt-get install gcc libc6-dev libzmq3-dev libcjson-dev
 *   gcc -O2 -Wall -o bike bike.c -lzmq -lcjson
 *   ./bike        # beside a gateway; put your sensor into measure_kmh()
 *
 * `./bike tcp://0.0.0.0:5556 tcp://0.0.0.0:5557 100` publishes and answers at other endpoints, with
 * another time between two readings in milliseconds. docs/protocol.md has all rules.
 */
#include <cjson/cJSON.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <zmq.h>

#define DEVICE_ID "my-c-bike"
#define KEPT 6000 /* readings for replay: ten minutes at 10 Hz */
#define PAYLOAD_MAX 256
#define FRAMES_MAX 9 /* of a question */
#define QUESTION_MAX 2048

static char kept[KEPT][PAYLOAD_MAX]; /* reading n is in kept[n % KEPT] */
static long long epoch, seq;
static volatile sig_atomic_t is_stopping;

/* Return the speed. Put your sensor here. */
static double measure_kmh(void) { return 21.5; }

static void stop(int signal_number) {
    (void)signal_number;
    is_stopping = 1;
}

static long long ms_of(clockid_t clock) {
    struct timespec now;
    clock_gettime(clock, &now);
    return now.tv_sec * 1000LL + now.tv_nsec / 1000000;
}

static void publish(void *pub, const char *kind, const char *payload) {
    char topic[128];
    snprintf(topic, sizeof topic, "ebike/%s/" DEVICE_ID "/", kind);
    zmq_send(pub, topic, strlen(topic), ZMQ_SNDMORE);
    zmq_send(pub, payload, strlen(payload), 0);
}

/* Keep a reading before it is sent, so that replay has every reading that was published. */
static void publish_reading(void *pub) {
    char *payload = kept[++seq % KEPT];
    snprintf(payload, PAYLOAD_MAX,
             "{\"v\":1,\"device_id\":\"" DEVICE_ID "\",\"epoch\":%lld,\"seq\":%lld,\"ts_ms\":%lld,"
             "\"speed_kmh\":%.1f}",
             epoch, seq, ms_of(CLOCK_REALTIME), measure_kmh());
    publish(pub, "reading", payload);
}

static void publish_status(void *pub, const char *state, long interval_ms) {
    char payload[PAYLOAD_MAX];
    snprintf(payload, sizeof payload,
             "{\"v\":1,\"device_id\":\"" DEVICE_ID "\",\"epoch\":%lld,\"last_seq\":%lld,"
             "\"ts_ms\":%lld,\"state\":\"%s\",\"interval_ms\":%ld,\"model\":\"bike.c\"}",
             epoch, seq, ms_of(CLOCK_REALTIME), state, interval_ms);
    publish(pub, "status", payload);
}

static long long oldest(void) { return seq > KEPT ? seq - KEPT + 1 : 1; }

/* Find the first reading after a position. Return 0 if the position cannot be read. */
static int find_after(const cJSON *after, long long *first) {
    long long of_epoch, number;
    char rest;
    *first = oldest();
    if (cJSON_IsNull(after)) return 1;
    if (!cJSON_IsString(after)) return 0;
    if (sscanf(after->valuestring, "%lld-%lld%c", &of_epoch, &number, &rest) != 2) return 0;
    if (of_epoch > epoch) *first = seq + 1;
    if (of_epoch == epoch && number >= *first) *first = number + 1;
    return 1;
}

/* Return the reason to refuse a question, or NULL. */
static const char *judge(const cJSON *question, long long *first, int *limit) {
    const cJSON *v = cJSON_GetObjectItem(question, "v");
    const cJSON *op = cJSON_GetObjectItem(question, "op");
    const cJSON *device_id = cJSON_GetObjectItem(question, "device_id");
    const cJSON *wanted = cJSON_GetObjectItem(question, "limit");
    if (!cJSON_IsNumber(v) || v->valueint != 1) return "unsupported_version";
    if (!cJSON_IsString(op) || strcmp(op->valuestring, "replay") != 0) return "bad_request";
    if (!cJSON_IsNumber(wanted) || wanted->valueint < 1 || wanted->valueint > 1000)
        return "bad_request";
    if (!find_after(cJSON_GetObjectItem(question, "after"), first)) return "bad_request";
    if (!cJSON_IsString(device_id)) return "bad_request";
    if (strcmp(device_id->valuestring, DEVICE_ID) != 0) return "unknown_device";
    *limit = wanted->valueint;
    return NULL;
}

static void add_position(cJSON *header, const char *key, long long number) {
    char cursor[64];
    snprintf(cursor, sizeof cursor, "%lld-%lld", epoch, number);
    cJSON_AddItemToObject(header, key, seq ? cJSON_CreateString(cursor) : cJSON_CreateNull());
}

/* Send a header and readings first to last, after the frames that came before the question. */
static void send_answer(void *router, cJSON *header, long long first, long long last) {
    char *text = cJSON_PrintUnformatted(header);
    zmq_send(router, text, strlen(text), first <= last ? ZMQ_SNDMORE : 0);
    for (long long n = first; n <= last; n++)
        zmq_send(router, kept[n % KEPT], strlen(kept[n % KEPT]), n < last ? ZMQ_SNDMORE : 0);
    free(text);
}

static void answer(void *router, const cJSON *question) {
    long long first = 1, last = 0;
    int limit = 0;
    const char *code = judge(question, &first, &limit);
    cJSON *header = cJSON_CreateObject();
    cJSON_AddNumberToObject(header, "v", 1);
    for (int i = 0; i < 2; i++) {
        const char *key = i ? "device_id" : "id";
        const cJSON *value = cJSON_GetObjectItem(question, key);
        cJSON_AddItemToObject(header, key, cJSON_Duplicate(value, 1));
    }
    if (code != NULL) {
        cJSON *error = cJSON_AddObjectToObject(header, "error");
        cJSON_AddStringToObject(error, "code", code);
        cJSON_AddStringToObject(error, "message", code);
    } else {
        last = first + limit - 1 < seq ? first + limit - 1 : seq;
        cJSON_AddNumberToObject(header, "count", last < first ? 0 : (double)(last - first + 1));
        add_position(header, "oldest", oldest());
        add_position(header, "newest", seq);
    }
    send_answer(router, header, first, last);
    cJSON_Delete(header);
}

/* Receive a question: any frames, then JSON. The frames go back unchanged before the answer. */
static void serve(void *router) {
    static char frames[FRAMES_MAX][QUESTION_MAX];
    size_t sizes[FRAMES_MAX], option_size = sizeof(int);
    int count = 0, more = 1, is_usable = 1;
    while (more) {
        int place = count < FRAMES_MAX ? count++ : FRAMES_MAX - 1;
        int size = zmq_recv(router, frames[place], QUESTION_MAX, 0);
        if (size < 0) return;
        is_usable &= size <= QUESTION_MAX;
        sizes[place] = (size_t)size;
        zmq_getsockopt(router, ZMQ_RCVMORE, &more, &option_size);
        is_usable &= !more || count < FRAMES_MAX;
    }
    cJSON *question = is_usable ? cJSON_ParseWithLength(frames[count - 1], sizes[count - 1]) : NULL;
    if (cJSON_IsString(cJSON_GetObjectItem(question, "id"))) {
        for (int i = 0; i < count - 1; i++) zmq_send(router, frames[i], sizes[i], ZMQ_SNDMORE);
        answer(router, question);
    }
    cJSON_Delete(question);
}

static void *open_socket(void *context, int type, const char *endpoint) {
    void *socket = zmq_socket(context, type);
    int linger_ms = 500, queue = 10000;
    zmq_setsockopt(socket, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    zmq_setsockopt(socket, ZMQ_SNDHWM, &queue, sizeof queue);
    if (zmq_bind(socket, endpoint) != 0) {
        fprintf(stderr, "cannot bind %s: %s\n", endpoint, zmq_strerror(zmq_errno()));
        exit(1);
    }
    return socket;
}

int main(int argc, char **argv) {
    void *context = zmq_ctx_new();
    void *pub = open_socket(context, ZMQ_PUB, argc > 1 ? argv[1] : "tcp://127.0.0.1:5556");
    void *router = open_socket(context, ZMQ_ROUTER, argc > 2 ? argv[2] : "tcp://127.0.0.1:5557");
    long interval_ms = argc > 3 ? atol(argv[3]) : 1000;
    if (interval_ms < 1) interval_ms = 1000;
    epoch = ms_of(CLOCK_REALTIME); /* a start after a clock jumped back would need a counter */
    signal(SIGINT, stop);
    signal(SIGTERM, stop);
    long long reading_due = ms_of(CLOCK_MONOTONIC), status_due = reading_due;
    while (!is_stopping) {
        long long now = ms_of(CLOCK_MONOTONIC);
        if (now >= reading_due) {
            publish_reading(pub);
            reading_due += interval_ms;
        }
        if (now >= status_due) {
            publish_status(pub, "online", interval_ms);
            status_due += 1000;
        }
        long long due = reading_due < status_due ? reading_due : status_due;
        zmq_pollitem_t item = {router, 0, ZMQ_POLLIN, 0};
        if (zmq_poll(&item, 1, due > now ? (long)(due - now) : 0) > 0) serve(router);
    }
    publish_status(pub, "stopping", interval_ms);
    zmq_close(pub);
    zmq_close(router);
    zmq_ctx_term(context);
    return 0;
}
