/* err.h - how a function in this project says why it failed.
 *
 * A function that can fail for a reason the caller may want to report returns bool (true = success) and
 * takes a `struct err *` as its last parameter. It writes to err only when it returns false. The caller
 * owns the struct, usually on its stack; nothing here allocates, so there is nothing to free.
 *
 * Broken invariants are not errors: they are assert()s. */
#ifndef CORE_ERR_H
#define CORE_ERR_H

#include <stdbool.h>

enum err_code {
    ERR_NONE = 0,
    ERR_INPUT,     /* the caller's data is wrong; retrying cannot help */
    ERR_NOT_FOUND, /* the thing named does not exist                   */
    ERR_CONFLICT,  /* valid, but not in the present state              */
    ERR_IO,        /* network, disk or database; retrying may help     */
    ERR_INTERNAL,  /* our fault                                        */
};

struct err {
    enum err_code code;
    char text[400]; /* one sentence, no newline, names the offending value */
};

/* Fills err and returns false, so `return err_set(err, ...)` is the idiom. */
bool err_set(struct err *err, enum err_code code, const char *fmt, ...) __attribute__((format(printf, 3, 4)));

/* Puts "context: " in front of the text already there; returns false. */
bool err_prefix(struct err *err, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

#endif
