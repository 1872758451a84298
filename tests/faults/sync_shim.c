/* A disk that is slow to synchronise: fsync and fdatasync take SYNC_MS longer. Preloaded. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>

static int late(const char *name, int file)
{
    const char *text = getenv("SYNC_MS");
    long ms = text == NULL ? 0 : atol(text);
    struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
    int (*real)(int) = (int (*)(int))dlsym(RTLD_NEXT, name);
    nanosleep(&pause, NULL);
    return real(file);
}

int fsync(int file)
{
    return late("fsync", file);
}

int fdatasync(int file)
{
    return late("fdatasync", file);
}
