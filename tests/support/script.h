/* script.h - a runner with one instance and a broker that says what the test tells it to say.
 *
 * Time is session time ("open+30m") of the present session; orders are named by their sequence in the
 * session, 1, 2, ...; what the engine wants comes back as text. */
#ifndef SCRIPT_H
#define SCRIPT_H

#include "engine/runner.h"

struct script {
    struct runner *runner;
    struct instance_config config;
    char text[16384];
    bool decisions;     /* also tell decisions */
};

/* params: "fast=3 slow=5"; symbols: "SPY IBM". Starts half an hour after midnight of the date in New York. */
void script_start(struct script *s, const struct strategy_plugin *plugin, const char *symbols, const char *params,
                  int32_t date, int64_t days);
void script_end(struct script *s);
/* What the file would be edited to: hot parameters alone take effect; "quantity=200" is the instance's. Then the time's tick. */
void script_change(struct script *s, const char *params);

int64_t script_at(struct script *s, const char *session_time);
/* A bar that begins at the session time, all four prices given in one or two (open, close); then its end's tick. */
void script_bar(struct script *s, const char *session_time, const char *symbol, double open, double close);
void script_time(struct script *s, const char *session_time);

/* Orders and cancels since the last call, joined by "; ": "buy 100 SPY market cls #1", "cancel #1". Each order
 * is answered as accepted unless it is told otherwise. Lent until the next call. */
const char *script_said(struct script *s);
/* The same, but nothing is answered. */
const char *script_said_only(struct script *s);

void script_reply(struct script *s, int64_t sequence, enum route route, const char *reason);
/* Cumulative. The order is filled when qty is all of it. */
void script_fill(struct script *s, int64_t sequence, int64_t filled, double price);
void script_final(struct script *s, int64_t sequence, enum order_status status);
int script_part(struct script *s, int64_t sequence);
int64_t script_position(struct script *s, int symbol);

#endif
