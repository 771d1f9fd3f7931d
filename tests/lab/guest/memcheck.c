/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * memcheck.c: memory that is filled, touched in a chosen order, and verified
 * at every read.
 *
 * Each page is determined by its number and its generation, which a write
 * raises; the generation that it must have is kept elsewhere.  The time of an
 * access is that of its first load: if the page is away, it includes its way
 * back.  Results are lines of KEY=VALUE.  Exit status 1: wrong pages.
 */
#include <getopt.h>
#include <math.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define PAGE_BYTES 4096u
#define PAGE_WORDS 512u
#define NS_PER_S 1000000000ull
/* Four steps to the octave: a bucket is at most 25 % wide. */
#define NR_BUCKETS (64 * 4)

enum order { SEQUENTIAL, RANDOM, ZIPF };

struct opts {
    uint64_t size_bytes, wss_bytes, seed;
    enum order order;
    double theta;
    unsigned int passes, seconds, write_percent, same_percent, report_s;
    bool verify_all;
    const char *name;           /* in reports */
};

static struct opts opts = {
    .size_bytes = 64 << 20, .seed = 1, .order = SEQUENTIAL, .theta = 0.9,
    .name = "memcheck",
};

static uint64_t *mem;
static uint32_t *generations, *permutation;
static uint64_t nr_pages, nr_wss;
static uint64_t nr_wrong, nr_accesses, buckets[NR_BUCKETS], max_ns;

static volatile sig_atomic_t interrupted;

static uint64_t rng_state;

static uint64_t rng(void)
{
    /* Steele, Lea, Flood, "Fast splittable pseudorandom numbers", 2014. */
    uint64_t z = rng_state += 0x9e3779b97f4a7c15ull;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9ull;
    z = (z ^ z >> 27) * 0x94d049bb133111ebull;
    return z ^ z >> 31;
}

static uint64_t now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static bool is_same_filled(uint64_t page)
{
    return page * 2654435761u % 100 < opts.same_percent;
}

/* What word i of a page is: a short linear sequence of its own. */
static uint64_t first_word(uint64_t page, uint32_t generation)
{
    return (page + 1) * 0x9e3779b97f4a7c15ull ^
           (uint64_t)generation * 0xd1342543de82ef95ull ^ opts.seed;
}

static uint64_t step_of(uint64_t page, uint32_t generation)
{
    return is_same_filled(page) ? 0 : (page + generation) * 2 + 1;
}

static void fill(uint64_t page)
{
    uint64_t word = first_word(page, generations[page]);
    uint64_t step = step_of(page, generations[page]);
    uint64_t *words = mem + page * PAGE_WORDS;
    unsigned int i;

    for (i = 0; i < PAGE_WORDS; i++, word += step) {
        words[i] = word;
    }
}

static bool is_right(uint64_t page)
{
    uint64_t word = first_word(page, generations[page]);
    uint64_t step = step_of(page, generations[page]);
    const uint64_t *words = mem + page * PAGE_WORDS;
    uint64_t differences = 0;
    unsigned int i;

    for (i = 0; i < PAGE_WORDS; i++, word += step) {
        differences |= words[i] ^ word;
    }
    return !differences;
}

static unsigned int bucket_of(uint64_t ns)
{
    unsigned int msb;

    if (ns < 4) {
        return ns;
    }
    msb = 63 - __builtin_clzll(ns);
    return (msb - 1) * 4 + (ns >> (msb - 2) & 3);
}

/* The top of the bucket that holds the quantile. */
static double percentile_us(double quantile)
{
    uint64_t rank = ceil(nr_accesses * quantile), seen = 0;
    unsigned int i;

    for (i = 0; i < NR_BUCKETS - 1; i++) {
        seen += buckets[i];
        if (seen >= rank) {
            break;
        }
    }
    return i < 4 ? i / 1000.0
                 : ((4 + i % 4 + 1ull) << (i / 4 - 1)) / 1000.0;
}

static void access_page(uint64_t page)
{
    const volatile uint64_t *words = mem + page * PAGE_WORDS;
    uint64_t t0 = now_ns(), ns;

    (void)words[rng() % PAGE_WORDS];
    ns = now_ns() - t0;
    buckets[bucket_of(ns)]++;
    nr_accesses++;
    if (ns > max_ns) {
        max_ns = ns;
    }

    if (!is_right(page)) {
        if (!nr_wrong++) {
            printf("wrong page=%llu generation=%u word0=%#llx want=%#llx\n",
                   (unsigned long long)page, generations[page],
                   (unsigned long long)words[0],
                   (unsigned long long)first_word(page, generations[page]));
        }
    }
    if (rng() % 100 < opts.write_percent) {
        generations[page]++;
        fill(page);
    }
}

/*
 * Ranks after Gray et al., "Quickly generating billion-record synthetic
 * databases", SIGMOD 1994; spread over the pages by a permutation.
 */
static double zetan, zeta2;

static double zeta(uint64_t n)
{
    double sum = 0;
    uint64_t i;

    for (i = 1; i <= n; i++) {
        sum += 1 / pow(i, opts.theta);
    }
    return sum;
}

static uint64_t zipf(void)
{
    double u = (rng() >> 11) * 0x1p-53, uz = u * zetan, eta;
    uint64_t rank;

    if (uz < 1) {
        return 0;
    }
    if (uz < 1 + pow(0.5, opts.theta)) {
        return 1;
    }
    eta = (1 - pow(2.0 / nr_wss, 1 - opts.theta)) / (1 - zeta2 / zetan);
    rank = nr_wss * pow(eta * u - eta + 1, 1 / (1 - opts.theta));
    return rank < nr_wss ? rank : nr_wss - 1;
}

static uint64_t next_page(uint64_t i)
{
    switch (opts.order) {
    case RANDOM:
        return rng() % nr_wss;
    case ZIPF:
        return permutation[zipf()];
    default:
        return i;
    }
}

static uint64_t parse_size(const char *s)
{
    char *end;
    double value = strtod(s, &end);

    switch (*end) {
    case 'G': case 'g':
        value *= 1024;
        /* fallthrough */
    case 'M': case 'm':
        value *= 1024;
        /* fallthrough */
    case 'K': case 'k':
        value *= 1024;
        end++;
        break;
    }
    if (end == s || *end || value < PAGE_BYTES) {
        fprintf(stderr, "memcheck: not a size: %s\n", s);
        exit(2);
    }
    return value;
}

static void usage(FILE *file)
{
    fputs("usage: memcheck [--size SIZE] [--wss SIZE] [--order "
          "sequential|random|zipf]\n"
          "  [--theta T] [--passes N] [--seconds N] [--write-percent N]\n"
          "  [--same-filled PERCENT] [--seed N] [--report SECONDS] "
          "[--name NAME]\n"
          "  [--all]\n"
          "Fill SIZE, then touch the first --wss of it, verifying.  A pass is "
          "as many accesses\nas there are pages in it.  --all: verify "
          "all of SIZE at the end,\nwhich SIGINT and SIGTERM bring about.\n",
          file);
}

static void parse(int argc, char **argv)
{
    static const struct option longopts[] = {
        { "size", 1, NULL, 's' }, { "wss", 1, NULL, 'w' },
        { "order", 1, NULL, 'o' }, { "theta", 1, NULL, 't' },
        { "passes", 1, NULL, 'p' }, { "seconds", 1, NULL, 'S' },
        { "write-percent", 1, NULL, 'W' }, { "seed", 1, NULL, 'r' },
        { "same-filled", 1, NULL, 'f' }, { "report", 1, NULL, 'R' },
        { "name", 1, NULL, 'n' }, { "all", 0, NULL, 'a' },
        { "help", 0, NULL, 'H' }, { 0 },
    };
    int c;

    while ((c = getopt_long(argc, argv, "", longopts, NULL)) != -1) {
        switch (c) {
        case 's': opts.size_bytes = parse_size(optarg); break;
        case 'w': opts.wss_bytes = parse_size(optarg); break;
        case 't': opts.theta = atof(optarg); break;
        case 'p': opts.passes = atoi(optarg); break;
        case 'S': opts.seconds = atoi(optarg); break;
        case 'W': opts.write_percent = atoi(optarg); break;
        case 'r': opts.seed = strtoull(optarg, NULL, 0); break;
        case 'f': opts.same_percent = atoi(optarg); break;
        case 'R': opts.report_s = atoi(optarg); break;
        case 'n': opts.name = optarg; break;
        case 'a': opts.verify_all = true; break;
        case 'o':
            opts.order = !strcmp(optarg, "sequential") ? SEQUENTIAL :
                         !strcmp(optarg, "random") ? RANDOM :
                         !strcmp(optarg, "zipf") ? ZIPF : (enum order)-1;
            if (opts.order == (enum order)-1) {
                fprintf(stderr, "memcheck: unknown order: %s\n", optarg);
                exit(2);
            }
            break;
        case 'H':
            usage(stdout);
            exit(0);
        default:
            usage(stderr);
            exit(2);
        }
    }
    if (optind < argc || opts.theta <= 0 || opts.theta >= 1) {
        usage(stderr);
        exit(2);
    }
    if (!opts.wss_bytes || opts.wss_bytes > opts.size_bytes) {
        opts.wss_bytes = opts.size_bytes;
    }
    if (!opts.passes && !opts.seconds) {
        opts.passes = 1;
    }
}

static void interrupt(int sig)
{
    (void)sig;
    interrupted = 1;
}

static void *take(uint64_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        perror("memcheck: mmap");
        exit(2);
    }
    return p;
}

int main(int argc, char **argv)
{
    uint64_t start_ns, pass_ns, report_ns, i, j, page;
    unsigned int pass;
    bool stop = false;

    setvbuf(stdout, NULL, _IOLBF, 0);
    parse(argc, argv);
    (void)signal(SIGINT, interrupt);
    (void)signal(SIGTERM, interrupt);
    rng_state = opts.seed;
    nr_pages = opts.size_bytes / PAGE_BYTES;
    nr_wss = opts.wss_bytes / PAGE_BYTES;

    mem = take(nr_pages * PAGE_BYTES);
    generations = take(nr_pages * sizeof(generations[0]));
    for (i = 0; i < nr_pages; i++) {
        fill(i);
    }
    if (opts.order == ZIPF) {
        permutation = take(nr_wss * sizeof(permutation[0]));
        for (i = 0; i < nr_wss; i++) {
            j = rng() % (i + 1);
            permutation[i] = permutation[j];
            permutation[j] = i;
        }
        zetan = zeta(nr_wss);
        zeta2 = zeta(2);
    }
    printf("filled pages=%llu\n", (unsigned long long)nr_pages);

    start_ns = report_ns = now_ns();
    for (pass = 1; !stop; pass++) {
        pass_ns = now_ns();
        for (i = 0; i < nr_wss && !stop; i++) {
            page = next_page(i);
            access_page(page);
            stop = interrupted;
            if (opts.seconds || opts.report_s) {
                uint64_t t = now_ns();

                stop |= opts.seconds &&
                       t - start_ns >= opts.seconds * NS_PER_S;
                if (opts.report_s &&
                    t - report_ns >= opts.report_s * NS_PER_S) {
                    report_ns = t;
                    printf("report name=%s accesses=%llu wrong=%llu\n",
                           opts.name, (unsigned long long)nr_accesses,
                           (unsigned long long)nr_wrong);
                }
            }
        }
        if (opts.passes && !interrupted) {
            printf("pass=%u seconds=%.3f wrong=%llu\n", pass,
                   (now_ns() - pass_ns) / 1e9, (unsigned long long)nr_wrong);
            stop = stop || pass >= opts.passes;
        }
    }

    /* Every page, also those that were not touched. */
    pass_ns = now_ns() - start_ns;
    for (i = 0; opts.verify_all && i < nr_pages; i++) {
        nr_wrong += !is_right(i);
    }
    printf("accesses=%llu seconds=%.3f pages_per_s=%.0f p50_us=%.1f "
           "p99_us=%.1f p999_us=%.1f max_us=%.1f wrong=%llu\n",
           (unsigned long long)nr_accesses, pass_ns / 1e9,
           nr_accesses / (pass_ns / 1e9), percentile_us(0.5),
           percentile_us(0.99), percentile_us(0.999), max_ns / 1000.0,
           (unsigned long long)nr_wrong);
    return nr_wrong ? 1 : 0;
}
