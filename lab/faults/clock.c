// The time of day with a jump: as many seconds as the file says that NETDR_LAB_CLOCK names. Nothing else changes.
// Needs no header, so that a compiler is all it takes.
struct timespec { long sec, nsec; };
struct timeval { long sec, usec; };
void *dlsym(void *, const char *);
int open(const char *, int, ...);
long read(int, void *, unsigned long);
int close(int);
char *getenv(const char *);

static long jump(void) {
    char text[32];
    const char *name = getenv("NETDR_LAB_CLOCK");
    int file = name ? open(name, 02000000) : -1;
    long size = file < 0 ? 0 : read(file, text, sizeof text);
    long sum = 0, at = size > 0 && text[0] == '-';
    if (file >= 0) close(file);
    for (long i = at; i < size && text[i] >= '0' && text[i] <= '9'; i++) sum = 10 * sum + text[i] - '0';
    return at ? -sum : sum;
}

int clock_gettime(int clock, struct timespec *now) {
    static int (*real)(int, struct timespec *);
    if (!real) real = dlsym((void *)-1L, "clock_gettime");
    int failed = real(clock, now);
    if (!failed && clock == 0) now->sec += jump();
    return failed;
}

int gettimeofday(struct timeval *now, void *zone) {
    struct timespec found;
    int failed = clock_gettime(0, &found);
    (void)zone;
    if (!failed) { now->sec = found.sec; now->usec = found.nsec / 1000; }
    return failed;
}

long time(long *at) {
    struct timespec found;
    clock_gettime(0, &found);
    if (at) *at = found.sec;
    return found.sec;
}
