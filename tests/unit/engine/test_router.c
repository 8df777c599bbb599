/* router: what an answer means, and where an order is cut. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "engine/router.h"

static const struct verdict {
    const char *label;
    long status;
    const char *message;
    enum route want;
} verdicts[] = {
    { "200", 200, "", ROUTE_ACCEPTED },
    { "no reply: look it up", 0, "timeout", ROUTE_LOOKUP },
    { "500: look it up", 500, "internal server error", ROUTE_LOOKUP },
    { "504: look it up", 504, "", ROUTE_LOOKUP },
    { "408: look it up", 408, "", ROUTE_LOOKUP },
    { "a redirect tells nothing: look it up", 302, "", ROUTE_LOOKUP },
    { "422 must be unique: look it up", 422, "client_order_id must be unique", ROUTE_LOOKUP },
    { "429: later", 429, "rate limit exceeded", ROUTE_LATER },
    { "wash trade waits", 403, "potential wash trade detected. use complex orders", ROUTE_WAIT },
    { "held shares wait", 403, "insufficient qty available for order (requested: 100, available: 0)", ROUTE_WAIT },
    { "open short sale waits", 403, "cannot open a long buy while a short sell order is open", ROUTE_WAIT },
    { "open long buy waits", 403, "cannot open a short sell while a long buy order is open", ROUTE_WAIT },
    { "buying power is final", 403, "insufficient buying power", ROUTE_REJECTED },
    { "window is final", 403, "cls orders must be submitted after 7:00pm and before 3:55pm", ROUTE_REJECTED },
    { "422 is final", 422, "qty must be > 0", ROUTE_REJECTED },
    { "401 is final", 401, "unauthorized.", ROUTE_REJECTED },
};

static void means(void **state)
{
    const struct verdict *v = *state;
    assert_int_equal(router_verdict(v->status, v->message), v->want);
}

static const struct cut {
    const char *label;
    int64_t net, closing;
    enum side side;
    int64_t qty, want;
} cuts[] = {
    { "opening goes whole", 0, 0, SIDE_BUY, 100, 100 },
    { "adding goes whole", 100, 0, SIDE_BUY, 100, 100 },
    { "closing a part goes whole", 100, 0, SIDE_SELL, 60, 60 },
    { "closing all goes whole", 100, 0, SIDE_SELL, 100, 100 },
    { "long to short is cut at zero", 100, 0, SIDE_SELL, 250, 100 },
    { "short to long is cut at zero", -100, 0, SIDE_BUY, 200, 100 },
    { "what closes already counts", 100, 40, SIDE_SELL, 100, 60 },
    { "all of it closes already: opens whole", 100, 100, SIDE_SELL, 100, 100 },
};

static void cuts_at(void **state)
{
    const struct cut *c = *state;
    assert_int_equal(router_first_part(c->net, c->closing, c->side, c->qty), c->want);
}

int main(void)
{
    enum { VERDICTS = sizeof verdicts / sizeof verdicts[0], CUTS = sizeof cuts / sizeof cuts[0] };
    struct CMUnitTest tests[VERDICTS + CUTS];
    for (size_t i = 0; i < VERDICTS; i++)
        tests[i] = (struct CMUnitTest){ .name = verdicts[i].label, .test_func = means, .initial_state = (void *)(uintptr_t)&verdicts[i] };
    for (size_t i = 0; i < CUTS; i++)
        tests[VERDICTS + i] = (struct CMUnitTest){ .name = cuts[i].label, .test_func = cuts_at, .initial_state = (void *)(uintptr_t)&cuts[i] };
    return cmocka_run_group_tests_name("router", tests, NULL, NULL);
}
