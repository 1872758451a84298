/* What is counted: deliveries, and how long each took from being published.
 *
 * Each payload ends with the time it was published at, in us of CLOCK_MONOTONIC, different for
 * each reading: it is both the start of the latency and the name of the reading.
 */
#include "load.h"

#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

/* Buckets of a histogram: 64 to each doubling, so a percentile is off by 1 to 2 % at most. */
enum { STEPS = 64, DOUBLINGS = 30, BUCKETS = STEPS * DOUBLINGS };
enum { UNDERWAY = 1 << 16 };

struct histogram {
    uint64_t counts[BUCKETS], total;
};

/* A reading that some clients have: when the first and the last of them got it. */
struct reading {
    uint64_t sent_us, first_us, last_us;
};

static struct histogram all, first, last;
static struct reading underway[UNDERWAY];
static uint64_t deliveries, bytes, gaps, mark_us;
static double mark_cpu_s;
static int ready, lost;

uint64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * 1000000ull + now.tv_nsec / 1000;
}

static double cpu_s(void)
{
    struct rusage used;
    getrusage(RUSAGE_SELF, &used);
    return used.ru_utime.tv_sec + used.ru_stime.tv_sec
        + (used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
}

static unsigned bucket_of(uint64_t value)
{
    unsigned shift = value < 2 * STEPS ? 0 : 57 - __builtin_clzll(value); /* leaves 64 to 127 */
    unsigned bucket = shift * STEPS + (unsigned)(value >> shift);
    return bucket < BUCKETS ? bucket : BUCKETS - 1;
}

static double value_of(unsigned bucket)
{
    if (bucket < 2 * STEPS)
        return bucket;
    unsigned shift = bucket / STEPS - 1;
    return (double)(((uint64_t)(bucket - shift * STEPS)) << shift) + (1ull << shift) / 2.0;
}

static void add(struct histogram *histogram, uint64_t value)
{
    histogram->counts[bucket_of(value)]++;
    histogram->total++;
}

static double percentile(const struct histogram *histogram, double part)
{
    uint64_t wanted = (uint64_t)(part * (double)histogram->total), seen = 0;
    for (unsigned bucket = 0; bucket < BUCKETS; bucket++)
        if ((seen += histogram->counts[bucket]) > wanted)
            return value_of(bucket);
    return 0;
}

/* Note that no more clients are expected to get a reading. */
static void finish(struct reading *reading)
{
    if (reading->sent_us) {
        add(&first, reading->first_us);
        add(&last, reading->last_us);
    }
    reading->sent_us = 0;
}

static uint64_t sent_at(const unsigned char *payload, size_t size)
{
    const unsigned char *end = payload + size;
    uint64_t value = 0, scale = 1;
    while (end > payload && (unsigned)(end[-1] - '0') > 9)
        end--;
    for (; end > payload && (unsigned)(end[-1] - '0') <= 9; end--, scale *= 10)
        value += (end[-1] - '0') * scale;
    return value;
}

void count_reading(struct client *client, const unsigned char *payload, size_t size, uint64_t now_us)
{
    uint64_t sent_us = sent_at(payload, size);
    client->readings++;
    deliveries++;
    if (sent_us < mark_us || sent_us > now_us)
        return;
    struct reading *reading = &underway[sent_us * 0x9e3779b97f4a7c15ull >> 48];
    if (reading->sent_us != sent_us) {
        finish(reading);
        *reading = (struct reading){sent_us, now_us - sent_us, 0};
    }
    reading->last_us = now_us - sent_us;
    add(&all, now_us - sent_us);
}

void count_gap(void) { gaps++; }
void count_bytes(size_t size) { bytes += size; }
int ready_count(void) { return ready; }
int lost_count(void) { return lost; }

void note_ready(struct client *client)
{
    ready += !client->is_ready;
    client->is_ready = true;
}

void note_lost(struct client *client)
{
    lost += !client->is_lost;
    client->is_lost = true;
}

void mark(void)
{
    memset(&all, 0, sizeof all);
    memset(&first, 0, sizeof first);
    memset(&last, 0, sizeof last);
    memset(underway, 0, sizeof underway);
    deliveries = bytes = gaps = 0;
    mark_cpu_s = cpu_s();
    mark_us = clock_us();
}

static void print_latency(const char *name, const struct histogram *histogram)
{
    if (!histogram->total)
        return;
    printf(", \"%s\": {\"p50_us\": %.1f, \"p99_us\": %.1f}", name, percentile(histogram, 0.5),
           percentile(histogram, 0.99));
}

/* Print what was counted since `mark`; `least` and `most` are of all readings a client ever got. */
void report(const struct client *clients, int count)
{
    uint64_t least = UINT64_MAX, most = 0, total = 0;
    for (int i = 0; i < count; i++) {
        total += clients[i].readings;
        least = clients[i].readings < least ? clients[i].readings : least;
        most = clients[i].readings > most ? clients[i].readings : most;
    }
    for (int i = 0; i < UNDERWAY; i++)
        finish(&underway[i]);
    printf("{\"seconds\": %.6f, \"cpu_s\": %.6f", (double)(clock_us() - mark_us) / 1e6,
           cpu_s() - mark_cpu_s);
    printf(", \"deliveries\": %lu, \"bytes\": %lu, \"gaps\": %lu", deliveries, bytes, gaps);
    printf(", \"ready\": %d, \"lost\": %d, \"total\": %lu", ready, lost, total);
    printf(", \"least\": %lu, \"most\": %lu", least, most);
    print_latency("all", &all);
    print_latency("first", &first);
    print_latency("last", &last);
    printf("}\n");
    fflush(stdout);
}
