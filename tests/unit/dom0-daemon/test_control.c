/* SPDX-License-Identifier: LGPL-2.1-or-later */
/*
 * test_control.c: the control socket and clients of every kind, the slow, the
 * rude and the many.
 */
#include "dom0-daemon/control.c"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "lib/fake_host.h"
#include "lib/ut.h"

#define MAX_CLIENTS 4
#define PEERS 8
#define HELD 64
#define TURNS 20000
#define PING(id) "{\"id\":" #id ",\"method\":\"ping\"}\n"

static char dir[64], path[100];
static struct conf conf;
static struct loop *loop;
static struct control *control;

/* What the methods do. */
static enum { ANSWER, FAIL, HOLD, LARGE } mode;
static struct control_request *held[HELD];
static unsigned int nr_held, nr_requests, nr_progress;
static char last_method[64];

/* The other ends. */
static struct peer {
    int fd;
    char *got;
    size_t len, size;
    bool eof, reads;
} peers[PEERS];

static void answer(struct control_request *request, size_t len)
{
    struct vmm__json_out *out = control_begin(request);
    char *text = malloc(len + 1);

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memset(text, 'x', len);
    text[len] = '\0';
    vmm__json_put_string(out, "result", text);
    free(text);
    control_end(request, out);
}

static void on_request(void *user, struct control_request *request)
{
    CU_ASSERT_PTR_EQUAL(user, &conf);
    nr_requests++;
    (void)snprintf(last_method, sizeof(last_method), "%s",
                   request->msg.method);
    switch (mode) {
    case ANSWER:
        answer(request, 1);
        break;
    case LARGE:
        answer(request, 200000);
        break;
    case FAIL:
        control_fail(request, VMM_E_BUSY, "no %d \"%s\"", 7, "\n");
        break;
    default:
        CU_ASSERT_TRUE_FATAL(nr_held < HELD);
        held[nr_held++] = request;
    }
}

static void on_progress(void *user, struct control_request *request)
{
    struct vmm__json_out *out = control_begin(request);

    (void)user;
    nr_progress++;
    vmm__json_put_u64(out, "progress", nr_progress);
    control_progress_end(request, out);
}

static void begin(void)
{
    unsigned int i;

    log_set_level(VMM_LOG_ERROR);
    (void)signal(SIGPIPE, SIG_IGN);
    fake_host_make_dir(dir);
    (void)snprintf(path, sizeof(path), "%s/sock", dir);
    conf = (struct conf){ .socket_path = path, .max_clients = MAX_CLIENTS };
    mode = ANSWER;
    nr_held = nr_requests = nr_progress = 0;
    for (i = 0; i < PEERS; i++) {
        peers[i] = (struct peer){ .fd = -1 };
    }
    CU_ASSERT_EQUAL_FATAL(loop_open(&loop), 0);
    CU_ASSERT_EQUAL_FATAL(control_open(loop, &conf, "9.9", on_request,
                                       on_progress, &conf, &control), 0);
    /* Time passes when the test says so. */
    loop_remove(control->tick_event);
    control->tick_event = NULL;
}

static void hang_up(struct peer *peer)
{
    if (peer->fd >= 0) {
        close(peer->fd);
    }
    peer->fd = -1;
}

static void end(void)
{
    unsigned int i;

    control_close(control);
    loop_close(loop);
    CU_ASSERT_TRUE(access(path, F_OK) != 0);
    for (i = 0; i < PEERS; i++) {
        hang_up(&peers[i]);
        free(peers[i].got);
    }
    fake_host_remove_dir(dir);
}

static void receive(struct peer *peer)
{
    ssize_t r;

    while (peer->fd >= 0 && peer->reads && !peer->eof) {
        if (peer->size - peer->len < 65536) {
            peer->size = peer->size * 2 + 65536;
            peer->got = realloc(peer->got, peer->size);
            CU_ASSERT_PTR_NOT_NULL_FATAL(peer->got);
        }
        r = recv(peer->fd, peer->got + peer->len,
                 peer->size - peer->len - 1, MSG_DONTWAIT);
        if (r < 0 && errno == EAGAIN) {
            break;
        }
        peer->eof = r <= 0;
        peer->len += r > 0 ? (size_t)r : 0;
        peer->got[peer->len] = '\0';
    }
}

static void turn(void)
{
    unsigned int i;

    (void)event_base_loop(loop_base(loop), EVLOOP_NONBLOCK);
    control_flush(control);
    for (i = 0; i < PEERS; i++) {
        receive(&peers[i]);
    }
}

#define UNTIL(condition) \
    do { \
        unsigned int turns_; \
        for (turns_ = 0; turns_ < TURNS && !(condition); turns_++) { \
            turn(); \
        } \
        CU_ASSERT_TRUE_FATAL(condition); \
    } while (0)

static void turns(unsigned int nr)
{
    while (nr--) {
        turn();
    }
}

static void ticks(unsigned int nr)
{
    while (nr--) {
        tick(control);
        turns(3);
    }
}

static unsigned int nr_lines(const struct peer *peer)
{
    unsigned int nr = 0;
    size_t i;

    for (i = 0; i < peer->len; i++) {
        nr += peer->got[i] == '\n';
    }
    return nr;
}

/* The n-th line, the greeting being the 0th; a document of the caller's. */
static struct vmm__json *line(const struct peer *peer, unsigned int nth)
{
    const char *start = peer->got, *stop;
    struct vmm__json *json = NULL;

    while (nth--) {
        start = strchr(start, '\n') + 1;
    }
    stop = strchr(start, '\n');
    CU_ASSERT_PTR_NOT_NULL_FATAL(stop);
    CU_ASSERT_EQUAL_FATAL(vmm__json_parse(start, (size_t)(stop - start),
                                          &json), 0);
    return json;
}

static bool is_error(const struct peer *peer, unsigned int nth, bool has_id,
                     const char *name)
{
    struct vmm__json *json = line(peer, nth);
    const struct vmm__json_value *root = vmm__json_root(json), *error;
    const char *got, *class, *message;
    bool is;

    error = vmm__json_member(root, "error");
    is = !vmm__json_get_string(error, "name", &got) && !strcmp(got, name) &&
         !vmm__json_get_string(error, "class", &class) &&
         !vmm__json_get_string(error, "message", &message) && *message &&
         vmm__json_nr(root) == 2 &&
         (vmm__json_type(vmm__json_member(root, "id")) !=
          VMM__JSON_NULL) == has_id;
    vmm__json_free(json);
    return is;
}

static struct peer *knock(void)
{
    struct sockaddr_un addr = { .sun_family = AF_UNIX };
    struct peer *peer = peers;

    while (peer->fd >= 0 || peer->got) {
        peer++;
    }
    peer->reads = true;
    peer->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    strcpy(addr.sun_path, path);
    CU_ASSERT_EQUAL_FATAL(connect(peer->fd, (struct sockaddr *)&addr,
                                  sizeof(addr)), 0);
    return peer;
}

static struct peer *enter(void)
{
    struct peer *peer = knock();

    UNTIL(nr_lines(peer) == 1);
    return peer;
}

static void send_bytes(struct peer *peer, const char *text, size_t len)
{
    ssize_t r;

    while (len) {
        r = send(peer->fd, text, len, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (r < 0) {
            CU_ASSERT_EQUAL_FATAL(errno, EAGAIN);
            turn();
            continue;
        }
        text += r;
        len -= (size_t)r;
    }
}

static void say(struct peer *peer, const char *text)
{
    send_bytes(peer, text, strlen(text));
}

static void control_open__socket(void)
{
    struct control *second;
    struct stat st;

    begin();
    CU_ASSERT_EQUAL(lstat(path, &st), 0);
    CU_ASSERT_TRUE(S_ISSOCK(st.st_mode));
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);
    CU_ASSERT_EQUAL(umask(022), 022);

    /* One that a predecessor left is replaced. */
    control_close(control);
    CU_ASSERT_TRUE(lstat(path, &st) != 0);
    CU_ASSERT_EQUAL(mknod(path, S_IFSOCK | 0777, 0), 0);
    CU_ASSERT_EQUAL_FATAL(control_open(loop, &conf, "9.9", on_request,
                                       on_progress, &conf, &control), 0);
    CU_ASSERT_EQUAL(lstat(path, &st), 0);
    CU_ASSERT_EQUAL(st.st_mode & 07777, 0600);

    conf.socket_path = (char *)(uintptr_t)"/nowhere/sock";
    CU_ASSERT_EQUAL(control_open(loop, &conf, "9.9", on_request,
                                 on_progress, &conf, &second), VMM_E_LOCAL);
    control_close(NULL);
    end();
}

static void on_accept__greeting(void)
{
    struct peer *peer;

    begin();
    peer = enter();
    CU_ASSERT_STRING_EQUAL(peer->got, "{\"vmmd\":\"9.9\",\"protocol\":1}\n");
    end();
}

static void take_line__id_comes_back(void)
{
    static const char *const ids[] = {
        "7", "7", "-1", "18446744073709551615", "0", "\"\"", "\"a\\\"b\"",
        "\"\xc3\xa9\"", "7",
    };
    char text[200], wanted[200];
    const size_t nr = sizeof(ids) / sizeof(ids[0]);
    struct peer *peer;
    const char *at;
    size_t i;

    begin();
    peer = enter();
    for (i = 0; i < nr; i++) {
        (void)snprintf(text, sizeof(text), "{\"method\":\"ping\",\"id\":%s}\n",
                       ids[i]);
        say(peer, text);
    }
    UNTIL(nr_lines(peer) == 1 + nr);
    at = peer->got;
    for (i = 0; i < nr; i++) {
        at = strchr(at, '\n') + 1;
        (void)snprintf(wanted, sizeof(wanted), "{\"id\":%s,\"result\":\"x\"}",
                       ids[i]);
        CU_ASSERT_EQUAL(strncmp(at, wanted, strlen(wanted)), 0);
    }
    CU_ASSERT_EQUAL(nr_requests, nr);
    end();
}

static void take_line__what_is_no_request(void)
{
    static const struct {
        const char *line;
        bool has_id;
    } rows[] = {
        { "", false },
        { "{", false },
        { "hello", false },
        { "[1]", false },
        { "null", false },
        { "\xff\xfe", false },
        { "{\"method\":\"ping\"}", false },
        { "{\"id\":null,\"method\":\"ping\"}", false },
        { "{\"id\":[1],\"method\":\"ping\"}", false },
        { "{\"id\":1}", true },
        { "{\"id\":1,\"method\":2}", true },
        { "{\"id\":1,\"method\":\"ping\",\"params\":[]}", true },
        { "{\"id\":1,\"method\":\"ping\",\"protocol\":2}", true },
        { "{\"id\":1,\"id\":2,\"method\":\"ping\"}", false },
        { "GET / HTTP/1.1\r", false },
    };
    struct peer *peer;
    unsigned int i;

    begin();
    peer = enter();
    for (i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        say(peer, rows[i].line);
        say(peer, "\n");
        UNTIL(nr_lines(peer) == 2 + i);
        CU_ASSERT_TRUE(is_error(peer, 1 + i, rows[i].has_id,
                                "VMM_E_FORMAT"));
    }
    /* With a NUL in it as well; and the connection goes on. */
    send_bytes(peer, "{\"id\":1,\0\"method\":\"ping\"}\n", 26);
    UNTIL(nr_lines(peer) == 2 + i);
    CU_ASSERT_TRUE(is_error(peer, 1 + i, false, "VMM_E_FORMAT"));
    CU_ASSERT_EQUAL(nr_requests, 0);
    say(peer, PING(1));
    UNTIL(nr_lines(peer) == 3 + i);
    CU_ASSERT_EQUAL(nr_requests, 1);
    CU_ASSERT_FALSE(peer->eof);
    CU_ASSERT_PTR_NULL(control->requests);
    end();
}

static void control_fail__says_why(void)
{
    struct vmm__json *json;
    const char *message;
    struct peer *peer;

    begin();
    mode = FAIL;
    peer = enter();
    say(peer, PING(5));
    UNTIL(nr_lines(peer) == 2);
    CU_ASSERT_TRUE(is_error(peer, 1, true, "VMM_E_BUSY"));
    json = line(peer, 1);
    CU_ASSERT_EQUAL(vmm__json_get_string(
        vmm__json_member(vmm__json_root(json), "error"), "message",
        &message), 0);
    CU_ASSERT_STRING_EQUAL(message, "no 7 \"\n\"");
    vmm__json_free(json);
    end();
}

static void client_serve__pieces(void)
{
    static const char text[] = PING(1) PING(2) PING(3);
    struct peer *peer;
    size_t i;

    begin();
    peer = enter();
    for (i = 0; i < sizeof(text) - 1; i++) {
        CU_ASSERT_TRUE(nr_lines(peer) <= 1 + i / strlen(PING(1)));
        send_bytes(peer, text + i, 1);
        turns(3);
    }
    UNTIL(nr_lines(peer) == 4);

    /* All in one, and a piece of the next. */
    say(peer, PING(1) PING(2) PING(3) "{\"id\"");
    UNTIL(nr_lines(peer) == 7);
    say(peer, ":4,\"method\":\"ping\"}\n");
    UNTIL(nr_lines(peer) == 8);
    CU_ASSERT_EQUAL(nr_requests, 7);
    end();
}

/* A line of so many bytes with its newline, in one or two sends. */
static void say_long(struct peer *peer, size_t len, bool newline)
{
    char *text = malloc(len + 1);
    int at;

    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    at = sprintf(text, "{\"id\":1,\"method\":\"");
    memset(text + at, 'a', len - (size_t)at);
    strcpy(text + len - 3, "\"}\n");
    send_bytes(peer, text, len - !newline);
    free(text);
}

static void client_serve__long_lines(void)
{
    struct peer *peer;

    begin();
    peer = enter();
    say_long(peer, VMM_CTL_LINE_MAX, true);
    UNTIL(nr_lines(peer) == 2);
    CU_ASSERT_EQUAL(nr_requests, 1);
    say_long(peer, VMM_CTL_LINE_MAX, true);
    say(peer, PING(2));
    UNTIL(nr_lines(peer) == 4);
    CU_ASSERT_EQUAL(nr_requests, 3);

    /* One too many, whether or not its end has been seen. */
    say_long(peer, VMM_CTL_LINE_MAX + 1, true);
    UNTIL(peer->eof);
    CU_ASSERT_EQUAL(nr_lines(peer), 5);
    CU_ASSERT_TRUE(is_error(peer, 4, false, "VMM_E_RANGE"));
    peer = enter();
    say_long(peer, VMM_CTL_LINE_MAX + 1, false);
    UNTIL(peer->eof);
    CU_ASSERT_TRUE(is_error(peer, 1, false, "VMM_E_RANGE"));

    /* What was asked for before is still answered. */
    peer = enter();
    mode = HOLD;
    say(peer, PING(1));
    UNTIL(nr_held == 1);
    say_long(peer, VMM_CTL_LINE_MAX + 1, false);
    say(peer, PING(2));
    UNTIL(nr_lines(peer) == 2);
    CU_ASSERT_EQUAL(nr_held, 1);
    turns(5);
    answer(held[0], 1);
    turns(5);
    CU_ASSERT_EQUAL(nr_requests, 4);
    CU_ASSERT_PTR_NULL(control->requests);
    CU_ASSERT_EQUAL(control->nr_clients, 0);
    end();
}

static void client_serve__too_many_requests(void)
{
    struct peer *peer;
    unsigned int i;

    begin();
    mode = HOLD;
    peer = enter();
    for (i = 0; i < 2 * REQUESTS_MAX + 5; i++) {
        say(peer, PING(1));
    }
    turns(20);
    CU_ASSERT_EQUAL(nr_held, REQUESTS_MAX);
    /* Another client is not concerned. */
    say(enter(), PING(9));
    UNTIL(nr_held == REQUESTS_MAX + 1);
    answer(held[3], 1);
    UNTIL(nr_held == REQUESTS_MAX + 2);
    turns(5);
    CU_ASSERT_EQUAL(nr_held, REQUESTS_MAX + 2);
    for (i = 0; i < nr_held; i++) {
        if (i != 3) {
            answer(held[i], 1);
            turn();
        }
    }
    UNTIL(nr_lines(peer) == 1 + 2 * REQUESTS_MAX + 5);
    CU_ASSERT_PTR_NULL(control->requests);
    end();
}

static void count(void *user)
{
    ++*(unsigned int *)user;
}

/*
 * All that was asked for is answered, however much it is, without a tick: a
 * turn comes by itself as long as there is something to do.
 */
static void client_flush__many_large_answers(void)
{
    unsigned int i, nr_seconds = 0, nr_stalls = 0;
    struct loop_event *timer;
    struct peer *peer;
    size_t len;

    begin();
    mode = LARGE;
    peer = enter();
    for (i = 0; i < 40; i++) {
        say(peer, PING(1));
    }
    CU_ASSERT_EQUAL_FATAL(loop_add_timer(loop, 1000, count, &nr_seconds,
                                         &timer), 0);
    while (nr_lines(peer) < 41 && nr_stalls < 3) {
        len = peer->len;
        (void)event_base_loop(loop_base(loop), EVLOOP_ONCE);
        receive(peer);
        nr_stalls += nr_seconds && len == peer->len;
        nr_seconds = 0;
        control_flush(control);
        receive(peer);
    }
    loop_remove(timer);
    CU_ASSERT_EQUAL(nr_stalls, 0);
    CU_ASSERT_EQUAL(nr_lines(peer), 41);
    CU_ASSERT_EQUAL(nr_requests, 40);

    peer->reads = false;
    for (i = 0; i < 40; i++) {
        say(peer, PING(1));
    }
    turns(50);
    /* It is not let to pile up here. */
    CU_ASSERT_TRUE(nr_requests < 40 + 10);
    peer->reads = true;
    (void)shutdown(peer->fd, SHUT_WR);
    UNTIL(peer->eof);
    CU_ASSERT_EQUAL(nr_lines(peer), 81);
    CU_ASSERT_EQUAL(control->nr_clients, 0);
    end();
}

static void on_event__sends_no_more(void)
{
    struct peer *peer;

    begin();
    mode = HOLD;
    peer = enter();
    say(peer, PING(1) PING(2) "{\"id\":3,\"meth");
    (void)shutdown(peer->fd, SHUT_WR);
    UNTIL(nr_held == 2);
    turns(5);
    CU_ASSERT_FALSE(peer->eof);
    answer(held[1], 1);
    turns(5);
    CU_ASSERT_EQUAL(nr_lines(peer), 2);
    CU_ASSERT_FALSE(peer->eof);
    answer(held[0], 1);
    UNTIL(peer->eof);
    CU_ASSERT_EQUAL(nr_lines(peer), 3);
    CU_ASSERT_EQUAL(control->nr_clients, 0);

    /* Nothing asked for at all. */
    peer = enter();
    (void)shutdown(peer->fd, SHUT_WR);
    UNTIL(peer->eof);
    CU_ASSERT_EQUAL(control->nr_clients, 0);
    end();
}

/* What it asked for goes on; the answer is nobody's. */
static void client_free__request_under_way(void)
{
    struct peer *peer;

    begin();
    mode = HOLD;
    peer = enter();
    say(peer, PING(1) PING(2) PING(3));
    UNTIL(nr_held == 3);
    hang_up(peer);
    turns(5);
    ticks(3);
    answer(held[1], 1);
    answer(held[2], 300000);
    control_fail(held[0], VMM_E_IO, "no");
    UNTIL(!control->nr_clients);
    CU_ASSERT_PTR_NULL(control->requests);

    /* In the middle of an answer. */
    peer = enter();
    peer->reads = false;
    say(peer, PING(1));
    UNTIL(nr_held == 4);
    answer(held[3], 5000000);
    turns(5);
    CU_ASSERT_EQUAL(control->nr_clients, 1);
    hang_up(peer);
    UNTIL(!control->nr_clients);

    /* Before the greeting. */
    hang_up(knock());
    UNTIL(!control->nr_clients);
    end();
}

static void on_accept__too_many_clients(void)
{
    struct peer *in[MAX_CLIENTS], *peer;
    unsigned int i;

    begin();
    for (i = 0; i < MAX_CLIENTS; i++) {
        in[i] = enter();
    }
    peer = knock();
    say(peer, PING(1));
    UNTIL(peer->eof);
    CU_ASSERT_TRUE(is_error(peer, 0, false, "VMM_E_BUSY"));
    CU_ASSERT_EQUAL(nr_lines(peer), 1);
    CU_ASSERT_EQUAL(nr_requests, 0);
    for (i = 0; i < MAX_CLIENTS; i++) {
        say(in[i], PING(1));
    }
    UNTIL(nr_requests == MAX_CLIENTS);
    hang_up(in[1]);
    UNTIL(control->nr_clients == MAX_CLIENTS - 1);
    (void)enter();
    end();
}

static void may_connect__others(void)
{
    int status = -1;
    pid_t pid;

    if (geteuid()) {
        return;         /* cannot be somebody else */
    }
    begin();
    CU_ASSERT_EQUAL(chmod(dir, 0755), 0);
    CU_ASSERT_EQUAL(chmod(path, 0666), 0);
    pid = fork();
    CU_ASSERT_TRUE_FATAL(pid >= 0);
    if (!pid) {
        struct sockaddr_un addr = { .sun_family = AF_UNIX };
        char text[200] = "";
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);

        strcpy(addr.sun_path, path);
        (void)alarm(10);
        if (setgid(65534) || setuid(65534) ||
            connect(fd, (struct sockaddr *)&addr, sizeof(addr)) ||
            send(fd, PING(1), strlen(PING(1)), MSG_NOSIGNAL) < 0 ||
            recv(fd, text, sizeof(text) - 1, 0) <= 0 ||
            !strstr(text, "VMM_E_PERM") || strstr(text, "protocol")) {
            _exit(1);
        }
        /* A reset, as what it said was not read. */
        _exit(recv(fd, text, sizeof(text), 0) <= 0 ? 0 : 2);
    }
    while (!waitpid(pid, &status, WNOHANG)) {
        turn();
        (void)usleep(1000);
    }
    CU_ASSERT_EQUAL(status, 0);
    CU_ASSERT_EQUAL(nr_requests, 0);
    end();
}

static void on_accept_error__goes_on_later(void)
{
    struct rlimit before, none;
    struct peer *peer;

    if (getenv("UT_VALGRIND")) {
        return;         /* which accepts and closes what the limit forbids */
    }
    begin();
    peer = knock();
    CU_ASSERT_EQUAL(getrlimit(RLIMIT_NOFILE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &none), 0);
    turns(5);
    CU_ASSERT_TRUE(control->failed_accept);
    CU_ASSERT_EQUAL(setrlimit(RLIMIT_NOFILE, &before), 0);
    CU_ASSERT_EQUAL(nr_lines(peer), 0);
    ticks(1);
    UNTIL(nr_lines(peer) == 1);
    end();
}

static void tick__progress(void)
{
    struct peer *peer;

    begin();
    mode = HOLD;
    peer = enter();
    say(peer, "{\"id\":\"b\",\"method\":\"m\"}\n");
    UNTIL(nr_held == 1);
    ticks(1);
    CU_ASSERT_EQUAL(nr_lines(peer), 1);
    ticks(2);
    CU_ASSERT_EQUAL(nr_lines(peer), 3);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer->got,
                                  "{\"id\":\"b\",\"progress\":2}\n"));
    CU_ASSERT_EQUAL(control->nr_clients, 1);

    /* Who does not read gets no more of it. */
    peer->reads = false;
    mode = ANSWER;
    while (!control->clients->unread_bytes) {
        mode = LARGE;
        say(peer, PING(1));
        turns(2);
    }
    nr_progress = 0;
    ticks(5);
    CU_ASSERT_EQUAL(nr_progress, 5);
    CU_ASSERT_EQUAL(evbuffer_get_length(control->clients->held), 0);
    peer->reads = true;
    turns(10);
    CU_ASSERT_PTR_NULL(strstr(peer->got, "\"progress\":5}"));
    answer(held[0], 1);
    turns(3);
    CU_ASSERT_PTR_NOT_NULL(strstr(peer->got,
                                  "{\"id\":\"b\",\"result\":\"x\"}\n"));
    end();
}

static void tick__slow_and_idle(void)
{
    struct peer *peer, *busy;

    begin();
    /* A line that does not end. */
    peer = enter();
    say(peer, "{");
    ticks(SLOW_TICKS);
    CU_ASSERT_FALSE(peer->eof);
    ticks(2);
    CU_ASSERT_TRUE(peer->eof);

    /* Answers that are not read. */
    peer = enter();
    peer->reads = false;
    mode = LARGE;
    say(peer, PING(1) PING(2) PING(3) PING(4));
    turns(5);
    ticks(SLOW_TICKS + 2);
    CU_ASSERT_EQUAL(control->nr_clients, 0);

    /* Nothing at all; but one that waits is not idle. */
    mode = HOLD;
    peer = enter();
    busy = enter();
    say(busy, PING(1));
    turns(3);
    ticks(IDLE_TICKS - 1);
    CU_ASSERT_EQUAL(control->nr_clients, 2);
    ticks(2);
    CU_ASSERT_TRUE(peer->eof);
    CU_ASSERT_FALSE(busy->eof);
    answer(held[0], 1);
    turns(3);
    ticks(IDLE_TICKS + 2);
    CU_ASSERT_TRUE(busy->eof);
    end();
}

static void control_close__all_under_way(void)
{
    struct peer *peer;

    begin();
    mode = HOLD;
    peer = enter();
    say(peer, PING(1) PING(2));
    UNTIL(nr_held == 2);
    (void)knock();
    say(enter(), "{\"id\"");
    hang_up(peer);
    end();
}

static const struct ut_case cases[] = {
    UT_CASE(control_open__socket),
    UT_CASE(on_accept__greeting),
    UT_CASE(on_accept__too_many_clients),
    UT_CASE(on_accept_error__goes_on_later),
    UT_CASE(may_connect__others),
    UT_CASE(take_line__id_comes_back),
    UT_CASE(take_line__what_is_no_request),
    UT_CASE(control_fail__says_why),
    UT_CASE(client_serve__pieces),
    UT_CASE(client_serve__long_lines),
    UT_CASE(client_serve__too_many_requests),
    UT_CASE(client_flush__many_large_answers),
    UT_CASE(on_event__sends_no_more),
    UT_CASE(client_free__request_under_way),
    UT_CASE(tick__progress),
    UT_CASE(tick__slow_and_idle),
    UT_CASE(control_close__all_under_way),
};
UT_MAIN("dom0-daemon/control", cases)
