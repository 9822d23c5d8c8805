/* regex_program: a regular expression as a tree, and as the program that regex.c runs. Private to
 * regex. */
#ifndef EMB_REGEX_PROGRAM_H
#define EMB_REGEX_PROGRAM_H

#include "regex.h"
#include "regex_sets.h"

/* ---- the tree (regex_parse.c) ------------------------------------------------------- */

enum emb_regex_node_kind {
    EMB_NODE_EMPTY, EMB_NODE_SET, EMB_NODE_SEQUENCE, EMB_NODE_CHOICE, EMB_NODE_REPEAT,
    EMB_NODE_LOOK, EMB_NODE_ATOMIC, EMB_NODE_ASSERT
};
enum { EMB_GREEDY, EMB_LAZY, EMB_POSSESSIVE };
enum { EMB_TEXT_START, EMB_TEXT_END, EMB_TEXT_END_LINE, EMB_LINE_START, EMB_LINE_END,
       EMB_WORD_EDGE, EMB_NOT_WORD_EDGE };
#define EMB_REGEX_UNLIMITED (-1)

typedef struct emb_regex_node {
    uint8_t kind, how;  /* how: greed; negative look-ahead; which assertion */
    int32_t child;      /* first of its children; -1: none */
    int32_t sibling;    /* next child of the same parent; -1: none */
    int32_t set;        /* of a SET */
    int32_t low, high;  /* of a REPEAT */
} emb_regex_node;

typedef struct emb_regex_tree {
    const emb_allocator *allocator;
    emb_regex_node *nodes;
    emb_ranges *sets;
    int32_t count, capacity, sets_count, sets_capacity;
    int32_t root;
} emb_regex_tree;

int32_t emb_regex_parse(emb_regex_tree *tree, const char *pattern, size_t size, const char *where,
                        const emb_allocator *a, embed_error *error);
void emb_regex_tree_free(emb_regex_tree *tree);

/* ---- the program (regex_compile.c) -------------------------------------------------- */

enum emb_regex_op {
    EMB_OP_SET,    /* a character of the set, then next */
    EMB_OP_SPLIT,  /* next, and if that fails other */
    EMB_OP_LOOP,   /* characters of the set, how many as `how` says, then next */
    EMB_OP_LOOK,   /* next if other matches here (how: if it does not) */
    EMB_OP_ATOMIC, /* other, without going back into it, then its END's next */
    EMB_OP_ASSERT, /* next if `how` holds */
    EMB_OP_END     /* of an ATOMIC: next; of a LOOK or of all: -1 */
};

typedef struct emb_regex_instruction {
    uint8_t op, how;
    uint16_t set;
    int16_t depth; /* of ATOMICs around it */
    int32_t next, other;
} emb_regex_instruction;

/* Bytes that a match may begin with; bit 256: the end of the text. */
typedef struct emb_regex_bytes {
    uint32_t bits[9];
} emb_regex_bytes;

static inline bool emb_regex_may(const emb_regex_bytes *b, uint32_t byte)
{
    return b->bits[byte >> 5] >> (byte & 31) & 1;
}

typedef struct emb_regex_set {
    uint8_t ascii[128]; /* 1: in the set */
} emb_regex_set;

struct emb_regex {
    emb_allocator allocator;
    emb_regex_instruction *program;
    emb_regex_bytes *first;   /* of each instruction */
    int32_t *order;           /* instructions, each after those that it needs at the same place */
    int32_t count, entry;
    int32_t start[257];       /* where to begin at each byte, and at the end; -1: no match */
    emb_regex_set *sets;
    uint8_t *members;         /* [set * classes + class] */
    int32_t sets_count, classes;
    uint16_t class_index[0x110000 >> 7]; /* classes of characters that no set tells apart */
    uint8_t *class_blocks;
};

static inline uint32_t emb_regex_class(const emb_regex *r, uint32_t c)
{
    return r->class_blocks[(size_t)r->class_index[c >> 7] << 7 | (c & 127)];
}

#endif
