#include "exchange/auth.h"

#include <stdlib.h>
#include <string.h>

#include "core/base.h"

static bool take(struct credentials *out, const char *key, const char *secret)
{
    return key && secret && key[0] && secret[0] && text_copy(out->key, sizeof out->key, key) &&
           text_copy(out->secret, sizeof out->secret, secret);
}

bool credentials_of_pair(struct credentials *out, const char *key, const char *secret)
{
    return take(out, key && strcmp(key, "oauth") == 0 ? secret : key, secret);
}

/* The rest of text after a word and blanks; NULL: it begins otherwise. */
static const char *after(const char *text, const char *word)
{
    size_t n = strlen(word);
    return strncasecmp(text, word, n) == 0 && text[n] == ' ' ? text + n + strspn(text + n, " ") : NULL;
}

bool credentials_of_headers(struct credentials *out, const char *key, const char *secret, const char *authorization)
{
    if (key || secret)
        return credentials_of_pair(out, key, secret);
    const char *token = authorization ? after(authorization, "Bearer") : NULL,
               *basic = authorization ? after(authorization, "Basic") : NULL;
    if (token)
        return take(out, token, token);
    size_t size;
    char *pair = basic ? base64_decode(basic, &size) : NULL, *colon = pair ? strchr(pair, ':') : NULL;
    bool ok = colon && strlen(pair) == size;
    if (ok) {
        *colon = '\0';
        ok = take(out, pair, colon + 1);
    }
    free(pair);
    return ok;
}
