/* What compiled programs have built in stays as it was: sizes and places in the structs of embed.h, its
 * numbers, its functions and what they take. The list is tests/abi/abi_0.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "../../include/embed.h"

/* Declared once more: another return type or another parameter does not compile. */
#define SIZE(type, size)
#define FIELD(type, field, at)
#define VALUE(name, value)
#define FUNCTION(name, ...) __VA_ARGS__;
#include "../abi/abi_0.h"
#undef SIZE
#undef FIELD
#undef VALUE
#undef FUNCTION

static const struct {
    const char *name;
    int64_t expected, found;
    bool layout;
} list[] = {
#define SIZE(type, size)       {"sizeof " #type, size, (int64_t)sizeof(type), true},
#define FIELD(type, field, at) {#type "." #field, at, (int64_t)offsetof(type, field), true},
#define VALUE(name, value)     {#name, value, name, false},
#define FUNCTION(name, ...)
#include "../abi/abi_0.h"
};

static void test_list(void **state)
{
    (void)state;
    int changed = 0;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        if (list[i].found == list[i].expected || (list[i].layout && sizeof(void *) != 8)) continue;
        print_error("%s: %lld, was %lld\n", list[i].name, (long long)list[i].found,
                    (long long)list[i].expected);
        changed++;
    }
    assert_int_equal(changed, 0);
    assert_int_equal(EMBED_LAYER(0), 1);
    assert_int_equal(EMBED_LAYER(12), 13);
}

static void test_initialisers(void **state)
{
    (void)state;
    const embed_error error = EMBED_ERROR_INIT;
    const embed_open_options open = EMBED_OPEN_OPTIONS_INIT;
    const embed_session_options session = EMBED_SESSION_OPTIONS_INIT;
    const embed_encode_options encode = EMBED_ENCODE_OPTIONS_INIT;
    const embed_input input = EMBED_INPUT_INIT;
    const embed_tokens tokens = EMBED_TOKENS_INIT;
    assert_int_equal(error.struct_size, sizeof error);
    assert_int_equal(open.struct_size, sizeof open);
    assert_int_equal(session.struct_size, sizeof session);
    assert_int_equal(encode.struct_size, sizeof encode);
    assert_int_equal(input.struct_size, sizeof input);
    assert_int_equal(tokens.struct_size, sizeof tokens);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_initialisers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
