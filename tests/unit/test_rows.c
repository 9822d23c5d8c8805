/* Rows of tables as texts: the sentences, what is stripped, and room that is too small. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "../../include/embed.h"

static void test_row(void **state)
{
    (void)state;
    static const char *const names[] = {"age", "work_class", "_a__b_", ""};
    static const char *const values[] = {"39", " \t State gov\n", "\xC2\xA0\xE3\x80\x80x y\xE2\x80\x89", ""};
    static const char want[] = "The age is 39. The work class is State gov. The  a  b  is x y. The  is .";
    char out[128];
    memset(out, 0x55, sizeof out);
    assert_int_equal(embed_row_prompt(names, NULL, values, NULL, 4, out, sizeof out), sizeof want - 1);
    assert_string_equal(out, want);
    assert_int_equal(embed_row_prompt(names, NULL, values, NULL, 4, NULL, 0), sizeof want - 1);
    memset(out, 0x55, sizeof out); /* as snprintf */
    assert_int_equal(embed_row_prompt(names, NULL, values, NULL, 4, out, 10), sizeof want - 1);
    assert_string_equal(out, "The age i");
    assert_int_equal(out[10], 0x55);
    static const int64_t name_sizes[] = {2, 4}, value_sizes[] = {1, 0};
    assert_int_equal(embed_row_prompt(names, name_sizes, values, value_sizes, 2, out, sizeof out), 26);
    assert_string_equal(out, "The ag is 3. The work is .");
}

static void test_edges(void **state)
{
    (void)state;
    static const char *const name[] = {"a"}, *const blank[] = {" \x1C\x1F\xE1\x9A\x80 "},
                      *const invalid[] = {"\xFF \xC2"};
    char out[64];
    assert_int_equal(embed_row_prompt(NULL, NULL, NULL, NULL, 0, out, sizeof out), 0);
    assert_string_equal(out, "");
    assert_int_equal(embed_row_prompt(name, NULL, NULL, NULL, 1, out, sizeof out), EMBED_EINVAL);
    assert_int_equal(embed_row_prompt(NULL, NULL, NULL, NULL, -1, out, sizeof out), EMBED_EINVAL);
    assert_int_equal(embed_row_prompt(name, NULL, blank, NULL, 1, out, sizeof out), 10);
    assert_string_equal(out, "The a is .");
    assert_int_equal(embed_row_prompt(name, NULL, invalid, NULL, 1, out, sizeof out), 13);
    assert_string_equal(out, "The a is \xFF \xC2.");
}

static void test_label(void **state)
{
    (void)state;
    static const char want[] = " The classification label is not bad. ";
    char out[64];
    assert_int_equal(embed_label_prompt("not bad", -1, out, sizeof out), sizeof want - 1);
    assert_string_equal(out, want);
    assert_int_equal(embed_label_prompt("not bad at all", 7, out, sizeof out), sizeof want - 1);
    assert_string_equal(out, want);
    assert_int_equal(embed_label_prompt(NULL, 0, out, sizeof out), EMBED_EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_row), cmocka_unit_test(test_edges), cmocka_unit_test(test_label),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
