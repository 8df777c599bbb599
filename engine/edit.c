/* edit.c - files of running instances that were edited.
 *
 * A text that differs from the running one in hot rows alone is taken at the next boundary of an instant, as another
 * version of the same run; any other changes nothing, and says why. What runs is what is on record: a start takes it
 * up again, whatever has become of the file meanwhile (start.c). */
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/log.h"
#include "engine/engine.h"

void edit_check_start(struct instance_config *config, struct complaints *complaints)
{
    struct runner *r = runner_new(calendar_ns(20240102, 0), 0);
    struct err err;
    if (runner_add(r, config, &err) < 0) {
        complain(complaints, "%s: %s", config->path, err.text);
        config->is_wrong = true;
    }
    runner_free(r);
}

/* The market's time, but never the same twice: rows are told apart by it. */
static int64_t tell_ns(struct engine *e, struct edit *edit)
{
    int64_t now = runner_now_ns(e->runner), least = edit->told_ns + SECOND_NS / 1000000;
    return edit->told_ns = now > least ? now : least;
}

static void refuse(struct engine *e, int instance, const char *why)
{
    struct edit *edit = &e->edits[instance];
    const char *name = e->list.items[instance].name;
    edit->refused = true;
    report_edit(&e->report, name, e->runs[instance].run_id, tell_ns(e, edit), why);
    while (*why) { /* a line each */
        char line[512];
        int length = (int)strcspn(why, "\n");
        snprintf(line, sizeof line, "%.*s", length, why);
        log_warn("edit_refused", KV_TEXT("strategy", name), KV_TEXT("reason", line));
        why += length + (why[length] == '\n');
    }
}

static void right_again(struct engine *e, int instance)
{
    struct edit *edit = &e->edits[instance];
    edit->refused = false;
    report_edit(&e->report, e->list.items[instance].name, e->runs[instance].run_id, tell_ns(e, edit), NULL);
}

static void drop(struct edit *edit)
{
    if (edit->next)
        instance_clear(edit->next);
    free(edit->next);
    edit->next = NULL;
}

static void look(struct engine *e, int instance)
{
    struct edit *edit = &e->edits[instance];
    const struct instance_config *running = &e->list.items[instance];
    struct complaints complaints = { 0 };
    struct instance_config *next = must_alloc(1, sizeof *next);
    enum { WHY_MAX = 4096 }; /* what the API takes */
    char cold[300], hot[300], why[WHY_MAX] = "";

    instance_read(running->path, running->name, e->settings.plugins, next, &complaints);
    if (strcmp(next->hash, edit->seen) == 0)
        goto done;
    text_copy(edit->seen, sizeof edit->seen, next->hash);
    drop(edit);
    if (strcmp(next->hash, running->hash) == 0) {
        right_again(e, instance);
        log_info("edit_withdrawn", KV_TEXT("strategy", running->name));
        goto done;
    }
    if (!next->is_wrong)
        edit_check_start(next, &complaints);
    if (next->is_wrong) {
        snprintf(why, sizeof why, "%.*s", (int)complaints.length - 1, complaints.text);
    } else {
        instance_difference(running, next, cold, hot, sizeof cold);
        if (cold[0])
            snprintf(why, sizeof why, "%s: %s: takes a new start", running->path, cold);
    }
    if (why[0]) {
        refuse(e, instance, why);
        goto done;
    }
    edit->next = next;
    return;
done:
    instance_clear(next);
    free(next);
}

static void on_change(void *ctx)
{
    struct engine *e = ctx;
    if (!e->started || e->over || e->stopping)
        return;
    for (int i = 0; i < runner_instances_count(e->runner); i++) {
        struct instance_view v;
        runner_view(e->runner, i, &v);
        if (v.config->plugin && v.status != INSTANCE_ENDED)
            look(e, i);
    }
    if (!e->lockstep)
        edits_take(e);
    engine_turn(e);
}

void edits_start(struct engine *e)
{
    for (size_t i = 0; i < e->list.count; i++)
        text_copy(e->edits[i].seen, sizeof e->edits[i].seen, e->list.items[i].hash);
    e->watch = watch_new(&e->loop, e->settings.strategies, on_change, e);
    on_change(e); /* edited while it was starting, or wrong since before it */
    for (size_t i = 0; i < e->list.count; i++)
        if (e->runs[i].starts > 1 && e->list.items[i].plugin && !e->edits[i].refused)
            right_again(e, (int)i);
}

void edits_take(struct engine *e)
{
    for (int i = 0; i < runner_instances_count(e->runner) && !e->stopping; i++) {
        struct edit *edit = &e->edits[i];
        struct instance_config *running = &e->list.items[i];
        struct ledger_run *run = &e->runs[i];
        char cold[300], hot[300], reason[400];
        if (!edit->next)
            continue;
        struct instance_config was = *running;
        instance_difference(&was, edit->next, cold, hot, sizeof cold);
        snprintf(reason, sizeof reason, "edited: %s", hot[0] ? hot : "no setting");
        *running = *edit->next;
        free(edit->next);
        edit->next = NULL;
        edit->refused = false;
        runner_change(e->runner, i, running);
        instance_clear(&was);

        run->version++;
        run->changed_ns = tell_ns(e, edit);
        text_copy(run->config_hash, sizeof run->config_hash, running->hash);
        ledger_put_run(e->ledger, run, running->text);
        e->touched[i] = true;
        report_run(&e->report, running, run, "running", 0, reason);
        log_info("config_changed", KV_TEXT("strategy", running->name), KV_INT("version", run->version), KV_TEXT("changed", hot),
                 KV_TIME("at", runner_now_ns(e->runner)));
    }
}

void edits_stop(struct engine *e)
{
    watch_close(e->watch);
    e->watch = NULL;
    for (size_t i = 0; e->edits && i < e->list.count; i++)
        drop(&e->edits[i]);
}
