/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* retire.c: see retire.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "dimms.h"
#include "log.h"
#include "metrics.h"
#include "retire.h"

#define LOOK_MS 1000u
#define PENDING_MS 10000u       /* how often a page in use is tried again */
#define ENTRIES 512u            /* of one question to the hypervisor */

struct retire {
    const struct machine_ops *ops;
    vmm_machine *machine;       /* NULL: it knows nothing of retirement */
    vmm_record *record;
    struct loop_event *look, *retry;
    uint64_t sequence;          /* of the table when it was last read */
    uint64_t memory_map_hash;
    const char *metrics_path;   /* the configuration's */
    int metrics_rc;             /* of the last time */
    uint64_t nr_pages[VMM_RETIRE_NR_STATES];    /* when it was last read */
    bool list_is_known;         /* the record has seen the boot's list */
    bool unsaved;               /* the record has what no copy has */
    bool may_move;              /* a page is pending that is worth a try */
    struct vmm_retired entries[ENTRIES];
    struct vmm_machine_change changes[VMM_MACHINE_CHANGES_MAX];
};

static void lib_log(void *user, enum vmm_log_level level, const char *msg)
{
    (void)user;
    log_line(level, "retire", "%s", msg);
}

static int save(struct retire *retire)
{
    int rc;

    if (!retire->unsaved) {
        return 0;
    }
    rc = vmm_record_save(retire->record, retire->memory_map_hash);
    if (rc) {
        log_line(VMM_LOG_ERROR, "retire", "retired pages are not recorded: "
                 "%s; the next boot would use them", vmm_error_text(rc));
        return rc;
    }
    retire->unsaved = false;
    return 0;
}

static void tell(const struct vmm_retired *entry)
{
    char owner[16] = "";

    if (entry->state == VMM_RETIRE_PENDING) {
        (void)snprintf(owner, sizeof(owner), " owner=%u", entry->owner_domid);
    }
    log_line(entry->state == VMM_RETIRE_RETIRED ? VMM_LOG_INFO : VMM_LOG_WARN,
             "retire", "page=0x%llx pages=%u cause=%s state=%s%s: recorded",
             (unsigned long long)entry->mfn, entry->nr_pages,
             vmm_retire_cause_name(entry->cause),
             vmm_retire_state_name(entry->state), owner);
}

/* Of the boot's list, and nothing happened to it since. */
static bool is_listed(const struct vmm_retired *entry)
{
    return entry->from_boot_list && !entry->nr_errors;
}

/*
 * What the hypervisor has, of the boot's list or else, is recorded, and told
 * when that is safe.
 */
static int sync_record(struct retire *retire, bool listed)
{
    uint64_t next_mfn = 0;
    bool more = true, changed;
    uint32_t i, nr;
    int rc;

    memset(retire->nr_pages, 0, sizeof(retire->nr_pages));
    while (more) {
        struct vmm_retired *news = retire->entries;
        uint32_t nr_news = 0;

        rc = retire->ops->list(retire->machine, &next_mfn, retire->entries,
                               ENTRIES, &nr, &more);
        if (rc) {
            return rc;
        }
        for (i = 0; i < nr; i++) {
            struct vmm_retired entry = retire->entries[i];

            retire->nr_pages[entry.state] += entry.nr_pages;
            retire->may_move |= entry.state == VMM_RETIRE_PENDING &&
                                !entry.broken;
            if (is_listed(&entry) != listed) {
                continue;
            }
            rc = vmm_record_add(retire->record, &entry, &changed);
            if (rc) {
                log_line(VMM_LOG_ERROR, "retire", "page=0x%llx: not "
                         "recorded: %s", (unsigned long long)entry.mfn,
                         vmm_error_text(rc));
            } else if (changed) {
                news[nr_news++] = entry;
                retire->unsaved = true;
            }
        }
        rc = save(retire);
        if (rc) {
            return rc;
        }
        for (i = 0; i < nr_news; i++) {
            tell(&news[i]);
        }
    }
    return 0;
}

/* Until all of it is recorded: the next list would be without the rest. */
static int know_list(struct retire *retire)
{
    int rc = retire->list_is_known ? 0 : sync_record(retire, true);

    retire->list_is_known |= !rc;
    return rc;
}

static void put_metrics(struct retire *retire,
                        const struct vmm_machine_stat *stat)
{
    struct metrics metrics = { .stat = *stat, .record = retire->record };
    int rc;

    if (!*retire->metrics_path) {
        return;
    }
    memcpy(metrics.nr_pages, retire->nr_pages, sizeof(metrics.nr_pages));
    rc = metrics_write(retire->metrics_path, &metrics);
    if (rc && rc != retire->metrics_rc) {
        log_line(rc == VMM_E_NOENT ? VMM_LOG_DEBUG : VMM_LOG_WARN, "retire",
                 "metrics are not written: %s: %s", retire->metrics_path,
                 vmm_error_text(rc));
    }
    retire->metrics_rc = rc;
}

void retire_look(struct retire *retire)
{
    struct vmm_machine_stat stat;

    if (!retire->machine || retire->ops->stat(retire->machine, &stat) ||
        (stat.sequence == retire->sequence && !retire->unsaved)) {
        return;
    }
    /* What comes meanwhile is of a later sequence. */
    if (!know_list(retire) && !sync_record(retire, false)) {
        retire->sequence = stat.sequence;
        put_metrics(retire, &stat);
    }
}

static void look(void *user)
{
    retire_look(user);
}

static int change(struct retire *retire, uint32_t nr)
{
    uint32_t i;
    int rc = retire->ops->change(retire->machine, retire->changes, nr);

    for (i = 0; !rc && i < nr; i++) {
        const struct vmm_machine_change *c = &retire->changes[i];

        if (c->rc) {
            log_line(VMM_LOG_WARN, "retire", "page=0x%llx: %s: %s",
                     (unsigned long long)c->mfn,
                     c->release ? "not released" : "not retired",
                     vmm_error_text(c->rc));
        }
    }
    return rc;
}

/* What is recorded, page by page. */
struct walk {
    uint32_t index;             /* of the record's entry */
    uint64_t mfn;               /* the next page, if it is of that entry */
};

/* Those up to `end' that the hypervisor does not know; returns how many. */
static uint64_t retire_again(struct retire *retire, struct walk *walk,
                             uint64_t from, uint64_t end)
{
    uint32_t at = 0;
    uint64_t nr = 0;

    while (walk->index < vmm_record_nr(retire->record)) {
        struct vmm_retired entry;

        vmm_record_get(retire->record, walk->index, &entry);
        walk->mfn = walk->mfn > entry.mfn ? walk->mfn : entry.mfn;
        walk->mfn = walk->mfn > from ? walk->mfn : from;
        if (walk->mfn >= entry.mfn + entry.nr_pages) {
            walk->index++;
            continue;
        }
        if (walk->mfn >= end) {
            break;
        }
        retire->changes[at++] = (struct vmm_machine_change){
            .mfn = walk->mfn++, .cause = entry.cause,
        };
        nr++;
        if (at == VMM_MACHINE_CHANGES_MAX) {
            (void)change(retire, at);
            at = 0;
        }
    }
    if (at) {
        (void)change(retire, at);
    }
    return nr;
}

/*
 * Recorded pages that are not in the table: Xen was booted without the list,
 * or with an older one.  They are retired now, as far as they are free or can
 * be moved.
 */
static void find_forgotten(struct retire *retire)
{
    uint64_t next_mfn = 0, end = 0, nr_forgotten = 0;
    struct walk walk = { .index = 0 };
    bool more = true;
    uint32_t i, nr;

    while (more) {
        if (retire->ops->list(retire->machine, &next_mfn, retire->entries,
                              ENTRIES, &nr, &more)) {
            return;
        }
        for (i = 0; i < nr; i++) {
            const struct vmm_retired *entry = &retire->entries[i];

            nr_forgotten += retire_again(retire, &walk, end, entry->mfn);
            end = entry->mfn + entry->nr_pages;
        }
    }
    nr_forgotten += retire_again(retire, &walk, end, UINT64_MAX);
    if (nr_forgotten) {
        log_line(VMM_LOG_WARN, "retire", "%llu recorded pages were not in the "
                 "list that Xen was booted with; retired now, as far as they "
                 "are free", (unsigned long long)nr_forgotten);
    }
}

/* Up to `nr' pages from mfn on: those that are not recorded. */
static uint64_t release_strangers(struct retire *retire, uint64_t mfn,
                                  uint32_t nr_pages)
{
    uint64_t end = mfn + nr_pages, nr = 0;
    uint32_t at = 0;

    for (; mfn < end; mfn++) {
        if (!vmm_record_has(retire->record, mfn)) {
            retire->changes[at++] = (struct vmm_machine_change){
                .mfn = mfn, .release = true,
            };
            nr++;
        }
        if (at && (at == VMM_MACHINE_CHANGES_MAX || mfn + 1 == end)) {
            (void)change(retire, at);
            at = 0;
        }
    }
    return nr;
}

/*
 * Pages of the boot's list that are not recorded any more: their module was
 * replaced, or the list could not be written when they were released.
 */
static void find_released(struct retire *retire)
{
    uint64_t next_mfn = 0, nr_released = 0;
    bool more = true;
    uint32_t i, nr;

    while (more) {
        if (retire->ops->list(retire->machine, &next_mfn, retire->entries,
                              ENTRIES, &nr, &more)) {
            return;
        }
        for (i = 0; i < nr; i++) {
            if (is_listed(&retire->entries[i])) {
                nr_released += release_strangers(
                    retire, retire->entries[i].mfn,
                    retire->entries[i].nr_pages);
            }
        }
    }
    if (nr_released) {
        log_line(VMM_LOG_INFO, "retire", "%llu pages of the list that Xen was "
                 "booted with are not retired any more; they are released",
                 (unsigned long long)nr_released);
    }
}

static void retry_pending(void *user)
{
    struct retire *retire = user;
    uint64_t next_mfn = 0;
    bool more = retire->may_move;
    uint32_t i, nr;

    retire->may_move = false;
    while (more) {
        uint32_t at = 0;

        if (retire->ops->list(retire->machine, &next_mfn, retire->entries,
                              ENTRIES, &nr, &more)) {
            return;
        }
        for (i = 0; i < nr; i++) {
            const struct vmm_retired *e = &retire->entries[i];

            /* One page of a range is enough to try at a time. */
            if (e->state == VMM_RETIRE_PENDING && !e->broken) {
                retire->changes[at++] = (struct vmm_machine_change){
                    .mfn = e->mfn, .cause = e->cause,
                };
            }
        }
        if (at) {
            retire->may_move = true;
            (void)change(retire, at);
        }
    }
}

static void log_boot(const struct vmm_machine_stat *stat)
{
    switch (stat->list) {
    case VMM_MACHINE_LIST_TAKEN:
        log_line(VMM_LOG_INFO, "retire", "Xen was booted with list %llu of "
                 "%u entries, from %s", (unsigned long long)stat->generation,
                 stat->boot_entries, stat->from_variable
                 ? "EFI's variable" : "a boot module");
        break;
    case VMM_MACHINE_LIST_NONE:
        log_line(VMM_LOG_INFO, "retire", "Xen was booted without a list of "
                 "retired pages");
        break;
    default:
        log_line(VMM_LOG_ERROR, "retire", "Xen did not take the list of "
                 "retired pages: %s", vmm_machine_list_name(stat->list));
        break;
    }
    if (stat->module_damaged || stat->variable_damaged) {
        log_line(VMM_LOG_ERROR, "retire", "a list of retired pages that Xen "
                 "was booted with is damaged: %s%s%s; written anew",
                 stat->module_damaged ? "the boot module's" : "",
                 stat->module_damaged && stat->variable_damaged ? ", " : "",
                 stat->variable_damaged ? "EFI's variable's" : "");
    }
    if (stat->map_changed) {
        log_line(VMM_LOG_WARN, "retire", "the machine's memory map is another "
                 "one than when the list was written: its pages may be of "
                 "other DIMMs now; see xl page-list");
    }
}

int retire_configure(struct retire *retire, const struct conf *conf)
{
    return !retire->machine ? 0 : retire->ops->set_threshold(
        retire->machine, (uint32_t)conf->page_ce_threshold,
        (uint32_t)conf->page_ce_refresh_cycle_s);
}

/*
 * A list that the record has not seen is recorded first, since it is of the
 * modules that there were; then the pages follow these, in the record and in
 * the hypervisor.  What has failed since the boot is of the modules that there
 * are: it is recorded after that, by retire_look().
 */
static int catch_up(struct retire *retire, const struct conf *conf)
{
    bool changed;
    int rc;

    rc = know_list(retire);
    rc = rc ? rc : dimms_update(retire->record, conf->smbios_path, &changed);
    if (rc) {
        return rc;
    }
    retire->unsaved |= changed;
    rc = save(retire);
    if (!rc) {
        find_released(retire);
        find_forgotten(retire);
    }
    return rc;
}

static int start(struct retire *retire, const struct conf *conf)
{
    struct vmm_machine_stat stat;
    int rc = retire->ops->stat(retire->machine, &stat);

    if (rc) {
        return rc;
    }
    log_boot(&stat);
    retire->memory_map_hash = stat.memory_map_hash;
    rc = retire_configure(retire, conf);
    if (rc) {
        return rc;
    }
    /* A list that is lost, or older than the record, is written again. */
    if (stat.module_damaged || stat.variable_damaged) {
        retire->unsaved = true;
    }
    if (vmm_record_nr(retire->record) &&
        (stat.list != VMM_MACHINE_LIST_TAKEN || stat.map_changed ||
         stat.generation != vmm_record_generation(retire->record))) {
        retire->unsaved = true;
    }
    retire->list_is_known = stat.generation <=
                            vmm_record_generation(retire->record);
    /* A disk that is full today is no reason not to start. */
    (void)catch_up(retire, conf);
    retire_look(retire);
    return 0;
}

int retire_open(struct loop *loop, const struct conf *conf,
                const struct machine_ops *ops, struct retire **retire_out)
{
    struct retire *retire = calloc(1, sizeof(*retire));
    const struct vmm_logger logger = { lib_log, NULL };
    int rc;

    if (!retire) {
        return VMM_E_NOMEM;
    }
    retire->ops = ops;
    retire->metrics_path = conf->metrics_path;
    rc = vmm_record_open(conf->state_dir, *conf->retire_list_path
                         ? conf->retire_list_path : NULL,
                         conf->retire_efi_variable, &logger,
                         &retire->record);
    if (rc) {
        log_line(VMM_LOG_ERROR, "retire", "the record of retired pages in %s "
                 "cannot be read: %s", conf->state_dir, vmm_error_text(rc));
        goto fail;
    }
    rc = ops->open(&logger, &retire->machine);
    if (rc == VMM_E_NOTSUP) {
        log_line(VMM_LOG_WARN, "retire", "this hypervisor does not retire "
                 "pages");
        retire->machine = NULL;
        *retire_out = retire;
        return 0;
    }
    rc = rc ? rc : start(retire, conf);
    rc = rc ? rc : loop_add_timer(loop, LOOK_MS, look, retire, &retire->look);
    rc = rc ? rc : loop_add_timer(loop, PENDING_MS, retry_pending, retire,
                                  &retire->retry);
    if (rc) {
        goto fail;
    }
    *retire_out = retire;
    return 0;

 fail:
    retire_close(retire);
    return rc;
}

void retire_close(struct retire *retire)
{
    if (!retire) {
        return;
    }
    loop_remove(retire->look);
    loop_remove(retire->retry);
    if (retire->machine) {
        retire->ops->close(retire->machine);
    }
    vmm_record_close(retire->record);
    free(retire);
}

bool retire_usable(const struct retire *retire)
{
    return retire->machine;
}

/* changes[0] to [nr - 1]: the pages from mfn on, each with its own result. */
static int change_pages(struct retire *retire, uint64_t mfn, uint32_t nr,
                        const struct vmm_machine_change *how)
{
    uint32_t i;

    for (i = 0; i < nr; i++) {
        retire->changes[i] = *how;
        retire->changes[i].mfn = mfn + i;
    }
    return change(retire, nr);
}

static uint32_t part_of(uint32_t nr)
{
    return nr < VMM_MACHINE_CHANGES_MAX ? nr : VMM_MACHINE_CHANGES_MAX;
}

/* Pages in a row are one entry, as long as nobody knows more of each. */
static int add_run(struct retire *retire, struct vmm_retired *run)
{
    bool changed;
    int rc;

    if (!run->nr_pages) {
        return 0;
    }
    rc = vmm_record_add(retire->record, run, &changed);
    retire->unsaved |= changed;
    run->nr_pages = 0;
    return rc;
}

/*
 * The hypervisor knows what is memory, so it is asked first; what it took goes
 * into the record, which is the caller's to save before anybody is told.
 */
static int retire_range(struct retire *retire, const struct vmm_retired *range,
                        struct retire_result *result)
{
    const struct vmm_machine_change how = { .cause = range->cause };
    struct vmm_retired run = { .cause = range->cause };
    uint64_t mfn = range->mfn;
    uint32_t i, part, nr = range->nr_pages;
    int rc;

    for (; nr; nr -= part, mfn += part) {
        part = part_of(nr);
        rc = change_pages(retire, mfn, part, &how);
        for (i = 0; !rc && i < part; i++) {
            const struct vmm_machine_change *c = &retire->changes[i];

            if (c->rc) {
                result->nr_refused++;
                result->refused_rc = c->rc;
                rc = add_run(retire, &run);
                continue;
            }
            result->nr_pending += c->state == VMM_RETIRE_PENDING;
            if (!run.nr_pages++) {
                run.mfn = c->mfn;
            }
        }
        if (rc) {
            return rc;
        }
    }
    return add_run(retire, &run);
}

int retire_pages(struct retire *retire, const struct vmm_retired *ranges,
                 uint32_t nr, struct retire_result *result_out)
{
    uint32_t i;
    int rc = 0, save_rc;

    *result_out = (struct retire_result){ .nr_refused = 0 };
    for (i = 0; !rc && i < nr; i++) {
        rc = retire_range(retire, &ranges[i], result_out);
    }
    /* What was retired until then is recorded all the same. */
    save_rc = save(retire);
    return rc ? rc : save_rc;
}

/* One that only the record knew, as it is of no memory now, goes too. */
static bool forget(struct retire *retire, const struct vmm_machine_change *c,
                   int *rc_out)
{
    int rc = c->rc == VMM_E_NOENT ? 0 : c->rc;

    if (!rc) {
        rc = vmm_record_remove(retire->record, c->mfn,
                               (uint64_t)time(NULL));
        retire->unsaved |= !rc;
        rc = !c->rc && rc == VMM_E_NOENT ? 0 : rc;
    }
    if (rc && *rc_out != VMM_E_BUSY) {
        *rc_out = rc;
    }
    return !rc;
}

int retire_release(struct retire *retire, uint64_t mfn, uint32_t nr,
                   uint32_t *nr_released_out)
{
    const struct vmm_machine_change how = { .release = true };
    int rc = 0, some_rc = 0, save_rc;
    uint32_t i, part;

    *nr_released_out = 0;
    for (; !rc && nr; nr -= part, mfn += part) {
        part = part_of(nr);
        rc = change_pages(retire, mfn, part, &how);
        for (i = 0; !rc && i < part; i++) {
            *nr_released_out += forget(retire, &retire->changes[i], &some_rc);
        }
    }
    save_rc = save(retire);
    rc = rc ? rc : save_rc;
    return rc ? rc : *nr_released_out ? 0 : some_rc;
}

int retire_list(struct retire *retire, uint64_t *next_mfn,
                struct vmm_retired *entries, uint32_t nr, uint32_t *nr_out,
                bool *more_out)
{
    return retire->ops->list(retire->machine, next_mfn, entries, nr, nr_out,
                             more_out);
}

int retire_stat(struct retire *retire, struct vmm_machine_stat *stat_out)
{
    return retire->ops->stat(retire->machine, stat_out);
}

const vmm_record *retire_record(const struct retire *retire)
{
    return retire->record;
}
