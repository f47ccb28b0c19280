/*
 * A machine that misbehaves on demand: preloaded into one node's processes, it reads its orders from a small file that the
 * test maps and writes. It stands between the C library's callers and the system, so the node's code is what is shipped.
 *
 * orders: four signed 64-bit integers in the machine's byte order
 *   0  milliseconds added to the wall clock
 *   1  microseconds that every sync takes longer
 *   2  microseconds that every write at an offset takes longer
 *   3  errno of every sync and write at an offset (0: none)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum { CLOCK_MS, SYNC_US, WRITE_US, ERROR, ORDERS };

static const int64_t none[ORDERS];
static const volatile int64_t *orders = none;

__attribute__((constructor)) static void begin(void) {
    const char *path = getenv("CUSTODY_TEST_MACHINE");
    int descriptor = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (descriptor < 0) return;
    void *mapped = mmap(NULL, sizeof none, PROT_READ, MAP_SHARED, descriptor, 0);
    if (mapped != MAP_FAILED) orders = mapped;
    close(descriptor);
}

#define NEXT(name) \
    static __typeof__(name) *next; \
    if (!next) next = (__typeof__(name) *)dlsym(RTLD_NEXT, #name)

static int is_failing(int64_t delay_us) {
    if (delay_us > 0) {
        struct timespec pause = {delay_us / 1000000, delay_us % 1000000 * 1000};
        nanosleep(&pause, NULL);
    }
    if (orders[ERROR]) errno = (int)orders[ERROR];
    return orders[ERROR] != 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
    NEXT(clock_gettime);
    int result = next(clock, now);
    if (result == 0 && clock == CLOCK_REALTIME) {
        int64_t ns = (int64_t)now->tv_sec * 1000000000 + now->tv_nsec + orders[CLOCK_MS] * 1000000;
        now->tv_sec = ns / 1000000000;
        now->tv_nsec = ns % 1000000000;
    }
    return result;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
    struct timespec found;
    (void)zone;
    if (clock_gettime(CLOCK_REALTIME, &found)) return -1;
    now->tv_sec = found.tv_sec;
    now->tv_usec = found.tv_nsec / 1000;
    return 0;
}

time_t time(time_t *out) {
    struct timespec found;
    clock_gettime(CLOCK_REALTIME, &found);
    if (out) *out = found.tv_sec;
    return found.tv_sec;
}

int fsync(int descriptor) {
    NEXT(fsync);
    return is_failing(orders[SYNC_US]) ? -1 : next(descriptor);
}

int fdatasync(int descriptor) {
    NEXT(fdatasync);
    return is_failing(orders[SYNC_US]) ? -1 : next(descriptor);
}

ssize_t pwrite64(int descriptor, const void *data, size_t size, off64_t offset) {
    NEXT(pwrite64);
    return is_failing(orders[WRITE_US]) ? -1 : next(descriptor, data, size, offset);
}

ssize_t pwrite(int descriptor, const void *data, size_t size, off_t offset) {
    NEXT(pwrite);
    return is_failing(orders[WRITE_US]) ? -1 : next(descriptor, data, size, offset);
}

ssize_t pwritev(int descriptor, const struct iovec *parts, int count, off_t offset) {
    NEXT(pwritev);
    return is_failing(orders[WRITE_US]) ? -1 : next(descriptor, parts, count, offset);
}
