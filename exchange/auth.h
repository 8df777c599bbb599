/* auth.h - who asks: a key pair, by the broker's headers, HTTP Basic or an OAuth token.
 *
 * A token stands for the pair (token, token). Pure. */
#ifndef EXCHANGE_AUTH_H
#define EXCHANGE_AUTH_H

#include <stdbool.h>

enum { KEY_SIZE = 129 };

struct credentials {
    char key[KEY_SIZE], secret[KEY_SIZE];
};

/* The values of APCA-API-KEY-ID, APCA-API-SECRET-KEY and Authorization; NULL when absent. false: there is no pair,
 * or one that is empty or too long. The headers of the key win. */
bool credentials_of_headers(struct credentials *out, const char *key, const char *secret, const char *authorization);
/* A pair as it stands; key "oauth" means that the secret is a token. */
bool credentials_of_pair(struct credentials *out, const char *key, const char *secret);

#endif
