/* The three frozen models that tests of calls use, open while a group of tests runs, and how a call that
 * failed is checked. */
#ifndef THREE_MODELS_H
#define THREE_MODELS_H

#include "frozen_models.h"

static frozen *plain, *dense, *list; /* no modules; one mode; two modes, default prompt */

static inline int load_all(void **state)
{
    (void)state;
    plain = load("bert");
    dense = load("st-dense");
    list = load("st-list");
    return 0;
}

static inline int unload_all(void **state)
{
    (void)state;
    unload(plain);
    unload(dense);
    unload(list);
    return 0;
}

/* The last call failed with this status and sentence. */
static inline void assert_failed(const embed_session *session, int64_t status, int32_t expected_status,
                          const char *message)
{
    if (status != expected_status || strcmp(embed_session_error(session), message) != 0)
        fail_msg("expected %d, %s\nfound    %d, %s", (int)expected_status, message, (int)status,
                 embed_session_error(session));
}

#endif
