/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* retire.c: see retire.h. */
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
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
    bool unsaved;               /* the record has what no copy has */
    uint32_t nr_pending;
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

/* What the hypervisor has is recorded, and told when that is safe. */
static int sync_record(struct retire *retire)
{
    uint64_t next_mfn = 0;
    bool more = true, changed;
    uint32_t i, nr;
    int rc;

    retire->nr_pending = 0;
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

            if (entry.state == VMM_RETIRE_PENDING) {
                retire->nr_pending += entry.nr_pages;
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

void retire_look(struct retire *retire)
{
    struct vmm_machine_stat stat;

    if (!retire->machine || retire->ops->stat(retire->machine, &stat) ||
        (stat.sequence == retire->sequence && !retire->unsaved)) {
        return;
    }
    /* What comes meanwhile is of a later sequence. */
    if (!sync_record(retire)) {
        retire->sequence = stat.sequence;
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

/*
 * Recorded pages that the hypervisor does not know: it was booted without the
 * list.  They are retired now, as far as they are free or can be moved.
 */
static void retire_again(struct retire *retire, uint64_t from, uint64_t end)
{
    uint32_t i, nr = 0, at = 0;
    struct vmm_retired entry;
    uint64_t mfn;

    for (i = 0; i < vmm_record_nr(retire->record); i++) {
        vmm_record_get(retire->record, i, &entry);
        for (mfn = entry.mfn; mfn < entry.mfn + entry.nr_pages; mfn++) {
            if (mfn < from || mfn >= end) {
                continue;
            }
            retire->changes[at++] = (struct vmm_machine_change){
                .mfn = mfn, .cause = entry.cause,
            };
            nr++;
            if (at == VMM_MACHINE_CHANGES_MAX) {
                (void)change(retire, at);
                at = 0;
            }
        }
    }
    if (at) {
        (void)change(retire, at);
    }
    if (nr) {
        log_line(VMM_LOG_WARN, "retire", "%u recorded pages were not in the "
                 "list that Xen was booted with; retired now, as far as they "
                 "are free", nr);
    }
}

static void find_forgotten(struct retire *retire)
{
    uint64_t next_mfn = 0, end = 0;
    bool more = true;
    uint32_t i, nr;

    while (more) {
        if (retire->ops->list(retire->machine, &next_mfn, retire->entries,
                              ENTRIES, &nr, &more)) {
            return;
        }
        for (i = 0; i < nr; i++) {
            struct vmm_retired entry = retire->entries[i];

            if (entry.mfn > end) {
                retire_again(retire, end, entry.mfn);
            }
            end = entry.mfn + entry.nr_pages;
        }
    }
    retire_again(retire, end, UINT64_MAX);
}

static void retry_pending(void *user)
{
    struct retire *retire = user;
    uint64_t next_mfn = 0;
    bool more = true;
    uint32_t i, nr;

    while (retire->nr_pending && more) {
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
            (void)change(retire, at);
        }
    }
}

static void log_boot(const struct vmm_machine_stat *stat)
{
    switch (stat->list) {
    case VMM_MACHINE_LIST_TAKEN:
        log_line(VMM_LOG_INFO, "retire", "Xen was booted with list %llu of "
                 "%u entries", (unsigned long long)stat->generation,
                 stat->boot_entries);
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
    if (stat->map_changed) {
        log_line(VMM_LOG_WARN, "retire", "the machine's memory map is another "
                 "one than when the list was written: its pages may be of "
                 "other DIMMs now; see xl page-list");
    }
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
    rc = retire->ops->set_threshold(retire->machine,
                                    (uint32_t)conf->page_ce_threshold,
                                    (uint32_t)conf->page_ce_refresh_cycle_s);
    if (rc) {
        return rc;
    }
    /* A list that is lost, or older than the record, is written again. */
    if (vmm_record_nr(retire->record) &&
        (stat.list != VMM_MACHINE_LIST_TAKEN || stat.map_changed ||
         stat.generation != vmm_record_generation(retire->record))) {
        retire->unsaved = true;
    }
    find_forgotten(retire);
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
    rc = vmm_record_open(conf->state_dir, *conf->retire_list_path
                         ? conf->retire_list_path : NULL, &logger,
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

/* [mfn, mfn + nr) in as many calls as it takes; counts those without error. */
static int change_range(struct retire *retire, uint64_t mfn, uint32_t nr,
                        const struct vmm_machine_change *how,
                        uint32_t *nr_done_out, uint32_t *nr_pending_out)
{
    int rc, first_rc = 0;
    uint32_t i, part;

    *nr_done_out = *nr_pending_out = 0;
    for (; nr; nr -= part, mfn += part) {
        part = nr < VMM_MACHINE_CHANGES_MAX ? nr : VMM_MACHINE_CHANGES_MAX;
        for (i = 0; i < part; i++) {
            retire->changes[i] = *how;
            retire->changes[i].mfn = mfn + i;
        }
        rc = change(retire, part);
        if (rc) {
            return rc;
        }
        for (i = 0; i < part; i++) {
            const struct vmm_machine_change *c = &retire->changes[i];

            *nr_done_out += !c->rc;
            *nr_pending_out += !c->rc && c->state == VMM_RETIRE_PENDING;
            first_rc = first_rc ? first_rc : c->rc;
        }
    }
    return *nr_done_out ? 0 : first_rc;
}

/*
 * The hypervisor knows what is memory, so it is asked first; what is told to
 * anybody comes after the record, which is the caller's to save.
 */
static int retire_range(struct retire *retire, const struct vmm_retired *entry,
                        uint32_t *nr_done_out, uint32_t *nr_pending_out)
{
    const struct vmm_machine_change how = { .cause = entry->cause };
    bool changed;
    int rc;

    if (entry->nr_pages > RETIRE_CHANGE_PAGES_MAX) {
        return VMM_E_RANGE;
    }
    rc = change_range(retire, entry->mfn, entry->nr_pages, &how, nr_done_out,
                      nr_pending_out);
    if (rc) {
        return rc;
    }
    rc = vmm_record_add(retire->record, entry, &changed);
    retire->unsaved |= changed;
    return rc;
}

int retire_pages(struct retire *retire, uint64_t mfn, uint32_t nr,
                 enum vmm_retire_cause cause, uint32_t *nr_pending_out)
{
    const struct vmm_retired entry = {
        .mfn = mfn, .nr_pages = nr, .cause = cause,
    };
    uint32_t nr_done;
    int rc = retire_range(retire, &entry, &nr_done, nr_pending_out);

    return rc ? rc : save(retire);
}

int retire_import(struct retire *retire, const struct vmm_retired *entries,
                  uint32_t nr, uint64_t *nr_pending_out,
                  uint64_t *nr_refused_out)
{
    uint32_t i, nr_done, nr_pending;
    int rc = 0, save_rc;

    *nr_pending_out = *nr_refused_out = 0;
    for (i = 0; !rc && i < nr; i++) {
        rc = retire_range(retire, &entries[i], &nr_done, &nr_pending);
        if (!rc) {
            *nr_pending_out += nr_pending;
            *nr_refused_out += entries[i].nr_pages - nr_done;
        } else if (rc == VMM_E_INVAL || rc == VMM_E_PERM) {
            *nr_refused_out += entries[i].nr_pages;
            rc = 0;
        }
    }
    /* What was retired until then is recorded all the same. */
    save_rc = save(retire);
    return rc ? rc : save_rc;
}

int retire_release(struct retire *retire, uint64_t mfn, uint32_t nr,
                   uint32_t *nr_released_out)
{
    const struct vmm_machine_change how = { .release = true };
    uint32_t i, nr_pending;
    int rc, busy_rc;

    if (nr > RETIRE_CHANGE_PAGES_MAX) {
        return VMM_E_RANGE;
    }
    busy_rc = change_range(retire, mfn, nr, &how, nr_released_out,
                           &nr_pending);
    if (busy_rc && busy_rc != VMM_E_NOENT) {
        return busy_rc;
    }
    /* One that only the record knew, as it is of no memory now, goes too. */
    for (i = 0; i < nr; i++) {
        rc = vmm_record_remove(retire->record, mfn + i);
        if (!rc) {
            retire->unsaved = true;
            *nr_released_out += busy_rc != 0;
        } else if (rc != VMM_E_NOENT) {
            return rc;
        }
    }
    return !retire->unsaved && busy_rc ? busy_rc : save(retire);
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

uint32_t retire_nr(const struct retire *retire)
{
    return vmm_record_nr(retire->record);
}

uint64_t retire_generation(const struct retire *retire)
{
    return vmm_record_generation(retire->record);
}
