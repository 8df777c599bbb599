/* bell-backtest - instances over recorded or made-up bars, in this one process, as fast as it can. Settings, the
 * market, the report as JSON. One thread. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base.h"
#include "core/clock.h"
#include "core/json.h"
#include "engine/backtest.h"

struct backtest_settings {
    char strategies[512], plugins[512], bars[512], from[40], to[40], out[512];
    int64_t seed, cash, fee, slippage;
};

#define S struct backtest_settings
static const struct setting settings[] = {
    SETTING_OF_TEXT(S, strategies, .fallback = "config/strategies", .help = "Folder of instances, or one instance's file."),
    SETTING_OF_TEXT(S, plugins, .fallback = "", .help = "Folder of strategies' .so files; empty: ../strategies beside the program."),
    SETTING_OF_TEXT(S, bars, .fallback = "", .help = "Folder with bars-1min.csv (and quotes-1min.csv, bars-1day.csv); empty: a synthetic market."),
    SETTING_OF_TEXT(S, from, .fallback = "", .help = "First day; empty: the first recorded one, or 2024-03-04."),
    SETTING_OF_TEXT(S, to, .fallback = "", .help = "Last day; empty: the last recorded one."),
    SETTING_INT64(S, seed, SETTING_COUNT, .fallback = "1", .min = 0, .max = INT64_MAX, .help = "The synthetic market's seed."),
    SETTING_INT64(S, cash, SETTING_MONEY, .fallback = "1000000 USD", .min = 0, .max = INT64_C(1000000000000) * USD,
                  .help = "What the account starts with."),
    SETTING_INT64(S, fee, SETTING_MONEY, .fallback = "0 USD", .min = 0, .max = 1000 * USD, .help = "Fee for each share traded."),
    SETTING_INT64(S, slippage, SETTING_PERCENT, .fallback = "0 %", .min = 0, .max = 500000, .unit = "%",
                  .help = "How much worse than the market's price a market order trades."),
    SETTING_OF_TEXT(S, out, .fallback = "", .help = "Folder for fills.csv and decisions.csv; empty: neither is written."),
};

static const struct program program = {
    .name = "bell-backtest",
    .summary = "Runs strategies over a whole market in one process; the report is JSON on stdout.",
    .usage = "  bell-backtest --strategies overnight.yaml --bars DIR     one instance on recorded bars\n"
             "  bell-backtest --from 2024-03-04 --to 2024-06-28          all of config/strategies, made-up market\n"
             "\n"
             "An instance without `days` runs to the last bar; what it holds then is valued at its close.\n",
    .settings = settings,
    .settings_count = COUNT_OF(settings),
};

/* ---- the market */

static bool parse_day(const char *name, const char *text, int32_t *date, struct err *err)
{
    if (calendar_date_parse(text, strlen(text), date) && *date >= 19900102 && *date <= 20491231)
        return true;
    return err_set(err, ERR_INPUT, "%s %.30s: expected a date like 2013-10-07, from 1990 to 2049", name, text);
}

/* Close of the last session up to a date. */
static int64_t last_close(int32_t date)
{
    struct session s;
    for (int n = 0; n < 30; n++, date = calendar_add_days(date, -1))
        if (calendar_session(date, &s))
            return s.close_ns;
    return 0;
}

static int by_symbol(const void *a, const void *b)
{
    return strcmp(a, b);
}

/* A symbol's made-up prices depend on seed and symbol alone; the order is that of ./bell demo. */
static struct feed *synthetic(const struct instance_list *list, int64_t seed)
{
    size_t count = 0;
    char(*names)[SYMBOL_SIZE] = must_alloc(list->count * SYMBOLS_MAX + 1, sizeof *names);
    for (size_t i = 0; i < list->count; i++)
        for (int64_t k = 0; k < list->items[i].symbols.count; k++) {
            bool known = false;
            for (size_t n = 0; n < count; n++)
                known = known || strcmp(names[n], list->items[i].symbols.names[k]) == 0;
            if (!known)
                memcpy(names[count++], list->items[i].symbols.names[k], SYMBOL_SIZE);
        }
    qsort(names, count, sizeof *names, by_symbol);
    struct feed *feed = feed_new_synthetic((uint64_t)seed, (const char(*)[SYMBOL_SIZE])names, count);
    free(names);
    return feed;
}

static bool choose_span(const struct backtest_settings *s, struct feed *feed, const struct instance_list *list,
                        struct backtest_options *out, struct err *err)
{
    bool made_up = feed_is_synthetic(feed);
    int32_t from = made_up ? 20240304 : feed_first_date(feed), to = made_up ? 0 : feed_last_date(feed);
    char text[DATE_TEXT_SIZE];
    if (s->from[0] && !parse_day("from", s->from, &from, err))
        return false;
    if (s->to[0] && !parse_day("to", s->to, &to, err))
        return false;
    if (made_up && from < 20000201)
        return err_set(err, ERR_INPUT, "from %s: the synthetic market begins in February 2000", s->from);
    if (!made_up && from > feed_last_date(feed)) {
        calendar_date_format(feed_last_date(feed), text);
        return err_set(err, ERR_INPUT, "from %s: the recording ends on %s", s->from, text);
    }
    if (to && to < from)
        return err_set(err, ERR_INPUT, "to %s is before the first day", s->to[0] ? s->to : "of the recording");
    for (size_t i = 0; i < list->count && to == 0; i++)
        if (list->items[i].days == 0)
            return err_set(err, ERR_INPUT, "%s has no `days`, and a synthetic market has no end: give --to", list->items[i].path);
    out->from_ns = calendar_ns(from, 4 * 3600);
    out->until_ns = to ? calendar_ns(calendar_add_days(to, 1), 0) : INT64_MAX;
    out->ends_ns = feed_ends_ns(feed);
    if (to && last_close(to) && (out->ends_ns == 0 || last_close(to) < out->ends_ns))
        out->ends_ns = last_close(to);
    return true;
}

/* ---- fills.csv, decisions.csv */

struct tables {
    const struct instance_list *list;
    FILE *fills, *decisions;
};

static void csv_text(FILE *to, const char *text)
{
    putc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            putc('"', to);
        putc(*text, to);
    }
    putc('"', to);
}

static void put_fill(void *ctx, const struct backtest_fill *f)
{
    struct tables *t = ctx;
    char time[TIME_TEXT_SIZE], price[PRICE_TEXT_MAX], fee[PRICE_TEXT_MAX];
    time_format(f->time_ns, time);
    price_format(f->price, price);
    price_format((struct price){ f->fee_micros }, fee);
    fprintf(t->fills, "%s,%s,%s,%s,%s,%" PRId64 ",%s,%s\n", t->list->items[f->instance].name, time, f->client_order_id,
            f->symbol, side_names[f->side], f->qty, price, fee);
}

static void put_decision(void *ctx, const struct backtest_decision *d)
{
    struct tables *t = ctx;
    char time[TIME_TEXT_SIZE];
    time_format(d->time_ns, time);
    fprintf(t->decisions, "%s,%" PRId64 ",%s,%s,", t->list->items[d->instance].name, d->sequence, time,
            d->symbol ? d->symbol : "");
    csv_text(t->decisions, d->text);
    putc('\n', t->decisions);
}

static FILE *table_open(const char *folder, const char *name, const char *head, struct err *err)
{
    char path[600];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "w");
    if (file)
        fprintf(file, "%s\n", head);
    else
        err_set(err, ERR_IO, "%s: %m", path);
    return file;
}

static bool tables_open(struct tables *t, const char *folder, struct err *err)
{
    return (t->fills = table_open(folder, "fills.csv", "strategy,timestamp,client_order_id,symbol,side,quantity,price,fee", err)) &&
           (t->decisions = table_open(folder, "decisions.csv", "strategy,sequence,timestamp,symbol,text", err));
}

static bool tables_close(struct tables *t, struct err *err)
{
    bool ok = true;
    FILE *files[] = { t->fills, t->decisions };
    for (size_t i = 0; i < COUNT_OF(files); i++)
        if (files[i] && fclose(files[i]) != 0)
            ok = err_set(err, ERR_IO, "the tables could not be written: %m");
    return ok;
}

/* ---- the report */

static json_t *money(int64_t micros)
{
    char text[PRICE_TEXT_MAX];
    price_format((struct price){ micros }, text);
    return json_string(text);
}

static json_t *time_json(int64_t time_ns)
{
    char text[TIME_TEXT_SIZE];
    time_format(time_ns, text);
    return json_string(text);
}

struct sums {
    int64_t orders, fills, decisions, realized, unrealized, fees;
};

static json_t *strategy_json(const struct backtest *b, const struct instance_list *list, int instance, struct sums *sums)
{
    const struct runner *r = backtest_runner(b);
    const struct backtest_result *x = backtest_result(b, instance);
    const struct instance_config *c = &list->items[instance];
    struct instance_view v;
    json_t *positions = json_array();
    int64_t realized = 0, unrealized = 0;
    runner_view(r, instance, &v);
    for (int64_t i = 0; i < c->symbols.count; i++) {
        const struct position *p = runner_book(r, instance, (int)i);
        struct price mark = backtest_mark(b, c->symbols.names[i]);
        if (!price_is_set(mark))
            mark = position_average(p);
        int64_t open = p->qty ? position_unrealized_micros(p, mark) : 0;
        realized += p->realized_micros;
        unrealized += open;
        if (p->qty)
            json_array_append_new(positions, json_pack("{s:s, s:o, s:o, s:o, s:o, s:o}", "symbol", c->symbols.names[i],
                "quantity", json_sprintf("%" PRId64, p->qty), "average_price", money(position_average(p).micros),
                "market_price", money(mark.micros), "market_value", money(position_value_micros(p, mark)),
                "unrealized_pnl", money(open)));
    }
    sums->orders += x->orders;
    sums->fills += x->fills;
    sums->decisions += x->decisions;
    sums->realized += realized;
    sums->unrealized += unrealized;
    sums->fees += x->fees_micros;
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:o, s:o}",
                     "strategy", c->name, "plugin", c->strategy->name, "capital", money(c->capital), "status", x->status,
                     "reason", x->reason, "sessions", (json_int_t)v.sessions_done, "orders", (json_int_t)x->orders,
                     "fills", (json_int_t)x->fills, "decisions", (json_int_t)x->decisions, "realized_pnl", money(realized),
                     "unrealized_pnl", money(unrealized), "fees", money(x->fees_micros),
                     "total_pnl", money(realized + unrealized - x->fees_micros), "max_drawdown", money(x->drawdown_micros),
                     "positions", positions);
}

static void report(const struct backtest *b, const struct backtest_options *options, const struct instance_list *list,
                   const struct feed *feed, int64_t loading_ns, int64_t running_ns)
{
    struct sums sums = { 0 };
    json_t *strategies = json_array();
    for (size_t i = 0; i < list->count; i++)
        json_array_append_new(strategies, strategy_json(b, list, (int)i, &sums));
    double seconds = (double)running_ns / 1e9;
    json_t *all = json_pack("{s:s, s:o, s:o, s:I, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:f, s:f, s:f, s:o}",
        "market", feed_is_synthetic(feed) ? "synthetic" : "recorded", "from", time_json(options->from_ns),
        "to", time_json(backtest_now_ns(b)), "bars", (json_int_t)backtest_bars(b), "orders", (json_int_t)sums.orders,
        "fills", (json_int_t)sums.fills, "decisions", (json_int_t)sums.decisions, "realized_pnl", money(sums.realized),
        "unrealized_pnl", money(sums.unrealized), "fees", money(sums.fees),
        "total_pnl", money(sums.realized + sums.unrealized - sums.fees), "seconds", seconds,
        "loading_seconds", (double)loading_ns / 1e9,
        "bars_per_second", seconds > 0 ? (double)backtest_bars(b) / seconds : 0.0, "strategies", strategies);
    json_dumpf(all, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(9));
    putchar('\n');
    json_decref(all);
}

/* ---- all of it */

static bool instances_open(const struct backtest_settings *s, struct instance_list *list)
{
    static struct complaints complaints; /* large */
    instances_read(s->strategies, s->plugins, list, &complaints);
    if (complaints.count)
        fputs(complaints.text, stderr);
    for (size_t i = 0; i < list->count; i++)
        if (!list->items[i].has_days)
            list->items[i].days = 0;
    return complaints.count == 0;
}

static struct feed *market_open(const struct backtest_settings *s, const struct instance_list *list)
{
    static struct complaints complaints;
    struct feed *feed = s->bars[0] ? feed_open_recorded(s->bars, &complaints) : synthetic(list, s->seed);
    if (!feed)
        fputs(complaints.text, stderr);
    return feed;
}

int main(int argc, char **argv)
{
    struct backtest_settings s = { 0 };
    struct instance_list list = { 0 };
    struct backtest_options options = { 0 };
    struct tables tables = { .list = &list };
    struct feed *feed = NULL;
    struct backtest *b = NULL;
    struct err err = { 0 };
    int status = program_settings(&program, argc, argv, &s);
    if (status >= 0)
        return status;

    status = 2;
    int64_t began = clock_mono_ns();
    if (!s.plugins[0])
        plugins_folder(s.plugins, sizeof s.plugins);
    if (!instances_open(&s, &list) || !(feed = market_open(&s, &list)))
        goto done;
    if (!choose_span(&s, feed, &list, &options, &err))
        goto done;
    options.cash_micros = s.cash;
    options.fee_micros = s.fee;
    options.slippage_micros = s.slippage;
    if (s.out[0]) {
        options.on_fill = put_fill;
        options.on_decision = put_decision;
        options.ctx = &tables;
        if (!tables_open(&tables, s.out, &err))
            goto done;
    }
    b = backtest_new(&list, feed, &options, &err);
    if (!b)
        goto done;
    int64_t loaded = clock_mono_ns();
    backtest_run(b);
    int64_t ended = clock_mono_ns();
    status = 1;
    if (!backtest_is_consistent(b)) {
        err_set(&err, ERR_INTERNAL, "the books and the market's account differ");
        goto done;
    }
    report(b, &options, &list, feed, loaded - began, ended - loaded);
    status = 0;
done:
    if (!tables_close(&tables, &err))
        status = 1;
    if (err.text[0])
        fprintf(stderr, "bell-backtest: %s\n", err.text);
    backtest_free(b);
    feed_free(feed);
    instances_free(&list);
    return status;
}
