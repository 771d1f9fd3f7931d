/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * fuzz_control.c: any bytes on vmmd's control socket, from three clients.
 *
 * Input is what is sent, but for bytes from COMMAND_FIRST on, none of which
 * is in a UTF-8 text: they say what else happens.  The socket, the protocol
 * and the methods are the real ones; sessions and the toolstack are below.
 *
 * Each line must get one answer, which is a JSON text with that line's id.
 */
#include <assert.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What is logged goes nowhere, and is one line whatever a client said. */
static ssize_t to_nowhere(int fd, const void *data, size_t len)
{
    const unsigned char *text = data;
    size_t i;

    (void)fd;
    assert(len && text[len - 1] == '\n');
    for (i = 0; i < len - 1; i++) {
        assert(text[i] >= 0x20 && text[i] != 0x7f);
    }
    return (ssize_t)len;
}

#include "retire/record.h"

#define write to_nowhere
#include "dom0-daemon/log.c"
#undef write
#include "dom0-daemon/control.c"
#include "dom0-daemon/methods.c"
#include "dom0-daemon/methods_page.c"
#include "dom0-daemon/methods_region.c"

#define CLIENTS 3
#define PENDING 64
#define LONG_BYTES 16384
#define TURNS_MAX 10000

enum command {
    COMMAND_FIRST = 0xf5,
    READ = COMMAND_FIRST,       /* what has come */
    TURN,
    TICK,
    END_ONE,                    /* of what sessions have under way */
    NEXT_CLIENT,
    LAST_LINE,                  /* it sends no more */
    HANG_UP,
    LONG,                       /* many bytes at once */
    STATE,                      /* starting, running, stopping */
    RAW,                        /* the next byte, as it is */
    DIE,                        /* a session is no more */
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Sessions: of domains 1 to 3, once set; each second request takes time. */

struct session {
    uint32_t domid;
    bool there;
};

static struct session domains[] = { { 1, false }, { 2, false }, { 3, false } };
#define NR_DOMAINS (sizeof(domains) / sizeof(domains[0]))

static struct pending {
    session_done_fn *done;
    void *user;
    struct session *session;
} pending[PENDING];
static unsigned int nr_pending, nr_asked;

static void end_one(void)
{
    struct pending one;

    if (!nr_pending) {
        return;
    }
    one = pending[0];
    memmove(pending, pending + 1, --nr_pending * sizeof(pending[0]));
    if (one.session && !one.session->there) {
        one.done(one.user, VMM_E_CANCELED, NULL, NULL);
    } else {
        one.done(one.user, 0, NULL, one.session);
    }
}

static void ask(struct session *session, session_done_fn *done, void *user)
{
    if (nr_asked++ % 2) {
        done(user, nr_asked % 4 ? 0 : VMM_E_AGAIN, "a \"text\"\n", session);
        return;
    }
    if (nr_pending == PENDING) {
        end_one();
    }
    pending[nr_pending++] = (struct pending){ done, user, session };
}

/* Retired pages: three, of which one cannot be released. */

struct retire {
    bool usable;
};

static struct retire pages = { true };

bool retire_usable(const struct retire *retire)
{
    return retire->usable;
}

void retire_look(struct retire *retire)
{
    (void)retire;
}

int retire_pages(struct retire *retire, const struct vmm_retired *ranges,
                 uint32_t nr, struct retire_result *result_out)
{
    uint32_t i;

    (void)retire;
    *result_out = (struct retire_result){ .nr_pending = nr / 2 };
    for (i = 0; i < nr; i++) {
        assert(ranges[i].nr_pages &&
               ranges[i].nr_pages <= RETIRE_CHANGE_PAGES_MAX);
        assert(ranges[i].mfn + ranges[i].nr_pages <=
               1ull << VMM_RETIRE_MFN_BITS);
        assert((unsigned int)ranges[i].cause < VMM_RETIRE_NR_CAUSES);
        if (ranges[i].mfn % 5 == 0) {
            result_out->nr_refused += ranges[i].nr_pages;
            result_out->refused_rc = VMM_E_PERM;
        }
    }
    return 0;
}

int retire_release(struct retire *retire, uint64_t mfn, uint32_t nr,
                   uint32_t *nr_released_out)
{
    (void)retire;
    assert(nr && nr <= RETIRE_CHANGE_PAGES_MAX);
    *nr_released_out = nr;
    return mfn % 3 ? 0 : VMM_E_BUSY;
}

int retire_list(struct retire *retire, uint64_t *next_mfn,
                struct vmm_retired *entries, uint32_t nr, uint32_t *nr_out,
                bool *more_out)
{
    (void)retire;
    for (*nr_out = 0; *nr_out < nr && *next_mfn < 3; ++*next_mfn) {
        entries[(*nr_out)++] = (struct vmm_retired){
            .mfn = *next_mfn, .nr_pages = 1,
            .cause = (enum vmm_retire_cause)*next_mfn,
            .state = VMM_RETIRE_PENDING,
        };
    }
    *more_out = *next_mfn < 3;
    return 0;
}

int retire_stat(struct retire *retire, struct vmm_machine_stat *stat_out)
{
    (void)retire;
    memset(stat_out, 0, sizeof(*stat_out));
    return 0;
}

static int no_file(void *self, const char *path, size_t max_bytes,
                   void **data_out, size_t *size_out)
{
    (void)self;
    (void)path;
    (void)max_bytes;
    (void)data_out;
    (void)size_out;
    return VMM_E_NOENT;
}

/* With a module, and a page that was released. */
const vmm_record *retire_record(const struct retire *retire)
{
    static const struct vmm__files_ops ops = { .read = no_file };
    static const struct vmm__files files = { .ops = &ops };
    static const struct vmm_logger nobody = { .log = NULL };
    static const struct vmm_dimm dimm = {
        .locator = "A1", .serial = "S", .nr_ranges = 1,
        .ranges = { { .first_mfn = 0, .nr_pages = 2 } },
    };
    static const struct vmm_retired entry = { .nr_pages = 2 };
    static vmm_record *record;
    struct vmm_dimm_changes changes;
    bool changed;

    (void)retire;
    if (!record) {
        assert(!vmm__record_open(&files, "/", NULL, false, &nobody,
                                 &record));
        assert(!vmm_record_add(record, &entry, &changed));
        assert(!vmm_record_set_dimms(record, &dimm, 1, 1, &changes));
        assert(!vmm_record_remove(record, 1, 2));
    }
    return record;
}

/* Regions: "a" and "b", of which the latter cannot be opened. */

struct region {
    const char *name;
    enum vmm_ctl_region_state state;
};

static struct region regions_there[] = {
    { "a", VMM_CTL_REGION_OPEN }, { "b", VMM_CTL_REGION_FAILED },
};

struct region *regions_next(const struct regions *regions,
                            const struct region *after)
{
    (void)regions;
    return !after ? &regions_there[0] :
           after == &regions_there[0] ? &regions_there[1] : NULL;
}

struct region *regions_find(const struct regions *regions, const char *name)
{
    struct region *region = NULL;

    while ((region = regions_next(regions, region)) != NULL &&
           strcmp(region->name, name)) {
        continue;
    }
    return region;
}

void region_tell(const struct region *region,
                 struct vmm_ctl_region *region_out)
{
    *region_out = (struct vmm_ctl_region){
        .name = region->name, .uuid = "", .nvm = "/a", .storage = "",
        .state = region->state, .has_stat = region->name[0] == 'a',
        .failed_rc = region->name[0] == 'a' ? 0 : VMM_E_CHECKSUM,
    };
}

static void region_answer(struct region *region, region_done_fn *done,
                          void *user)
{
    static const struct vmm_ctl_region_point point = {
        .name = "s", .parent = "",
    };
    static char *texts[] = { (char *)(uintptr_t)"bad \"\n" };
    const struct region_result result = {
        .nr_problems = 1, .texts = texts, .nr_texts = 1,
        .points = (struct vmm_ctl_region_point *)(uintptr_t)&point,
        .nr_points = 1,
    };

    if (nr_asked++ % 3) {
        done(user, 0, "", nr_asked % 4 ? region : NULL, &result);
    } else {
        done(user, VMM_E_BUSY, nr_asked % 2 ? "not now" : NULL, NULL, NULL);
    }
}

void regions_create(struct regions *regions, const struct region_new *params,
                    region_done_fn *done, void *user)
{
    (void)regions;
    assert(params->name && params->nvm[0] == '/' && params->region_bytes);
    assert(params->purge_low_percent <= params->purge_high_percent &&
           params->purge_high_percent <= 100);
    region_answer(&regions_there[0], done, user);
}

void region_do(struct region *region, const struct region_do *what,
               region_done_fn *done, void *user)
{
    assert(what->free_percent <= 100);
    region_answer(region, done, user);
}

bool regions_progress(const struct regions *regions, const void *user,
                      uint64_t *nr_moved_out)
{
    (void)regions;
    (void)user;
    *nr_moved_out = nr_asked;
    return nr_asked % 2;
}

struct session *sessions_find(const struct sessions *sessions, uint32_t domid)
{
    (void)sessions;
    return domid - 1 < NR_DOMAINS && domains[domid - 1].there
           ? &domains[domid - 1] : NULL;
}

struct session *sessions_next(const struct sessions *sessions,
                              const struct session *after)
{
    uint32_t domid = after ? after->domid + 1 : 1;
    struct session *session = NULL;

    while (!session && domid <= NR_DOMAINS) {
        session = sessions_find(sessions, domid++);
    }
    return session;
}

uint32_t sessions_nr(const struct sessions *sessions)
{
    (void)sessions;
    return NR_DOMAINS;
}

void session_tier(const struct session *session,
                  struct vmm_ctl_tier *tier_out)
{
    *tier_out = (struct vmm_ctl_tier){
        .domid = session->domid,
        .name = "\xff\"name\"\n",
        .uuid = "",
        .store = "/s",
        .state = session->domid % VMM_CTL_NR_SESSION_STATES,
        .has_stat = session->domid != 2,
    };
}

void sessions_set(struct sessions *sessions, const struct session_set *set,
                  session_done_fn *done, void *user)
{
    struct session *session = &domains[set->domain.domid - 1];

    (void)sessions;
    /* What methods.c promises. */
    assert(set->domain.domid - 1 < NR_DOMAINS);
    assert(set->target_pages && set->target_pages <= set->domain.nr_pages);
    assert(!set->store || (*set->store == '/' && strlen(set->store) < 4000));
    session->there = true;
    ask(session, done, user);
}

void sessions_off(struct sessions *sessions, struct session *session,
                  session_done_fn *done, void *user)
{
    (void)sessions;
    session->there = false;
    ask(NULL, done, user);
}

void sessions_retry(struct sessions *sessions, struct session *session,
                    session_done_fn *done, void *user)
{
    (void)sessions;
    ask(session, done, user);
}

void sessions_reset_latency(struct sessions *sessions,
                            struct session *session, session_done_fn *done,
                            void *user)
{
    (void)sessions;
    ask(session, done, user);
}

void sessions_refresh(struct sessions *sessions, struct session *session,
                      session_done_fn *done, void *user)
{
    (void)sessions;
    ask(session, done, user);
}

/* The toolstack. */

static int find_name(void *self, const char *name, uint32_t *domid_out)
{
    (void)self;
    if (name[0] < 'a' || name[0] > 'd' || name[1]) {
        return name[0] == 'x' ? VMM_E_LOCAL : VMM_E_NOENT;
    }
    *domid_out = (uint32_t)(name[0] - 'a') + 1;
    return 0;
}

static int info(void *self, uint32_t domid, struct domain *domain_out)
{
    static const uint64_t nr_pages[] = { 1, 65536, UINT64_MAX / 4096 };

    (void)self;
    if (domid - 1 >= NR_DOMAINS) {
        return domid == 4 ? VMM_E_LOCAL : VMM_E_NOENT;
    }
    memset(domain_out, 0, sizeof(*domain_out));
    domain_out->domid = domid;
    domain_out->nr_pages = nr_pages[domid - 1];
    domain_out->can_be_paged = true;
    return 0;
}

static const struct toolstack_ops toolstack_ops = {
    .find_name = find_name,
    .info = info,
};

/* The clients. */

static struct peer {
    int fd;
    unsigned int nr_lines, nr_answers;
    size_t line_bytes;          /* sent, of the last one */
    bool greeted, overlong, half, lost;
    char *got;
    size_t len, size;
} peers[CLIENTS];

static struct loop *loop;
static struct control *control;
static struct methods methods;

static void check_line(struct peer *peer, const char *text, size_t len)
{
    const struct vmm__json_value *root, *id, *error;
    struct vmm__json *json;
    uint64_t protocol;

    assert(!vmm__json_parse(text, len, &json));
    root = vmm__json_root(json);
    if (!peer->greeted) {
        assert(!vmm__json_get_u64(root, "protocol", &protocol));
        assert(protocol == VMM_CTL_PROTOCOL);
        peer->greeted = true;
    } else {
        id = vmm__json_member(root, "id");
        error = vmm__json_member(root, "error");
        assert(id && vmm__json_nr(root) == 2);
        assert(vmm__json_type(id) == VMM__JSON_NUMBER ||
               vmm__json_type(id) == VMM__JSON_STRING ||
               (vmm__json_type(id) == VMM__JSON_NULL && error));
        if (error) {
            const char *name;

            assert(!vmm__json_get_string(error, "name", &name));
            assert(vmm__json_member(error, "class"));
            assert(vmm__json_member(error, "message"));
        }
        if (!vmm__json_member(root, "progress")) {
            assert(error || vmm__json_member(root, "result"));
            peer->nr_answers++;
        }
    }
    vmm__json_free(json);
}

static void receive(struct peer *peer)
{
    char *end;
    ssize_t r;

    while (peer->fd >= 0) {
        if (peer->size - peer->len < LONG_BYTES) {
            peer->size = 2 * peer->size + LONG_BYTES;
            peer->got = realloc(peer->got, peer->size);
            assert(peer->got);
        }
        r = recv(peer->fd, peer->got + peer->len, peer->size - peer->len,
                 MSG_DONTWAIT);
        if (r <= 0) {
            peer->lost = peer->lost || !r || errno != EAGAIN;
            return;
        }
        peer->len += (size_t)r;
        while ((end = memchr(peer->got, '\n', peer->len)) != NULL) {
            size_t len = (size_t)(end - peer->got);

            check_line(peer, peer->got, len);
            peer->len -= len + 1;
            memmove(peer->got, end + 1, peer->len);
        }
    }
}

static void turn(void)
{
    (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
    control_flush(control);
}

static void hang_up(struct peer *peer)
{
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    peer->fd = -1;
}

static void say(struct peer *peer, const char *text, size_t len)
{
    size_t at = 0, i;
    ssize_t r;

    if (peer->fd < 0 || peer->half) {
        return;
    }
    while (at < len) {
        r = send(peer->fd, text + at, len - at, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r < 0) {
            if (errno != EAGAIN) {
                peer->lost = true;
                return;
            }
            /* It waits for us, or for what it has under way. */
            receive(peer);
            end_one();
            turn();
            continue;
        }
        for (i = 0; i < (size_t)r; i++) {
            peer->line_bytes++;
            peer->overlong |= peer->line_bytes > VMM_CTL_LINE_MAX;
            if (text[at + i] == '\n') {
                peer->nr_lines += !peer->overlong;
                peer->line_bytes = 0;
            }
        }
        at += (size_t)r;
    }
}

static void begin(void)
{
    static char path[64];
    static struct conf conf = { .socket_path = path,
                                .max_clients = 2 * CLIENTS };
    unsigned int i;
    int fds[2];

    if (!control) {
        (void)signal(SIGPIPE, SIG_IGN);     /* as daemon.c */
        (void)snprintf(path, sizeof(path), "/tmp/fuzz-control-%d",
                       (int)getpid());
        assert(!loop_open(&loop));
        assert(!control_open(loop, &conf, "1.0", methods_request,
                             methods_progress, &methods, &control));
        (void)unlink(path);
        /* Time passes when the input says so. */
        loop_remove(control->tick_event);
        control->tick_event = NULL;
    }
    log_set_level(VMM_LOG_INFO);
    methods = (struct methods){
        .retire = &pages,
        .state = METHODS_RUNNING, .version = "1.0",
        .toolstack_ops = &toolstack_ops,
    };
    nr_pending = nr_asked = 0;
    for (i = 0; i < NR_DOMAINS; i++) {
        domains[i].there = i == 1;
    }
    for (i = 0; i < CLIENTS; i++) {
        assert(!socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK |
                           SOCK_CLOEXEC, 0, fds));
        peers[i] = (struct peer){ .fd = fds[0] };
        on_accept(NULL, fds[1], NULL, 0, control);
    }
}

static void end(void)
{
    unsigned int i, turns;

    /* All that is under way ends, and everybody reads. */
    for (turns = 0; turns < 3 || nr_pending || control->requests; turns++) {
        assert(turns < TURNS_MAX);
        end_one();
        turn();
        for (i = 0; i < CLIENTS; i++) {
            receive(&peers[i]);
        }
    }
    for (turns = 0; turns < 5; turns++) {
        turn();
        for (i = 0; i < CLIENTS; i++) {
            receive(&peers[i]);
        }
    }
    for (i = 0; i < CLIENTS; i++) {
        struct peer *peer = &peers[i];

        if (peer->fd >= 0) {
            assert(peer->greeted);
            assert(!peer->len);
            if (peer->overlong) {
                /* It was told, and nothing of its was done after that. */
                assert(peer->lost);
                assert(peer->nr_answers <= peer->nr_lines + 1);
            } else {
                assert(peer->half || !peer->lost);
                assert(peer->nr_answers == peer->nr_lines);
            }
        }
        hang_up(peer);
        free(peer->got);
        peer->got = NULL;
    }
    for (turns = 0; control->clients; turns++) {
        assert(turns < TURNS_MAX);
        turn();
    }
    assert(!control->nr_clients && !control->requests);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static char many[LONG_BYTES];
    unsigned int nr_ticks = 0, at = 0;
    struct peer *peer = peers;
    size_t i, len;

    begin();
    memset(many, 'a', sizeof(many));
    for (i = 0; i < size; i++) {
        for (len = 0; i + len < size && data[i + len] < COMMAND_FIRST; len++) {
        }
        if (len) {
            say(peer, (const char *)data + i, len);
            i += len - 1;
            continue;
        }
        switch (data[i]) {
        case READ:
            receive(peer);
            break;
        case TURN:
            turn();
            break;
        case TICK:
            /* Short of what a client is closed for. */
            if (++nr_ticks < SLOW_TICKS) {
                tick(control);
            }
            break;
        case END_ONE:
            end_one();
            break;
        case NEXT_CLIENT:
            peer = &peers[++at % CLIENTS];
            break;
        case LAST_LINE:
            if (peer->fd >= 0) {
                (void)shutdown(peer->fd, SHUT_WR);
                peer->half = true;
            }
            break;
        case HANG_UP:
            hang_up(peer);
            break;
        case LONG:
            say(peer, many, sizeof(many));
            break;
        case STATE:
            methods.state = methods.state == METHODS_STOPPING
                            ? METHODS_STARTING : methods.state << 1;
            break;
        case DIE:
            domains[i % NR_DOMAINS].there = false;
            break;
        case RAW:
        default:
            if (i + 1 < size) {
                say(peer, (const char *)&data[++i], 1);
            }
            break;
        }
    }
    end();
    return 0;
}

/* Replays files; libFuzzer and AFL bring a main of their own. */
#ifndef FUZZ_NO_MAIN
int main(int argc, char **argv)
{
    static uint8_t data[1 << 20];
    int i;

    for (i = 1; i < argc; i++) {
        FILE *f = fopen(argv[i], "rb");
        size_t size;

        if (!f) {
            perror(argv[i]);
            return 2;
        }
        size = fread(data, 1, sizeof(data), f);
        (void)fclose(f);
        (void)LLVMFuzzerTestOneInput(data, size);
    }
    return 0;
}
#endif
