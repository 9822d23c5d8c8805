/* main: the subcommands of embed, and how the process behaves towards the rest of the system. */
#include "cli.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const command commands[] = {
    {"text", COMMAND_TEXT, " [-f FILE | TEXT...]", "one vector a text",
     "One vector for each text: arguments, or the lines of FILE or of standard input.\n"
     "Without --pool and the like the model's own modules decide; a model directory without\n"
     "modules.json gives the [CLS] vector (embed info tells). Output is JSON lines, or by the\n"
     "suffix of -o: .npy (float32; int8 or uint8 when quantised), .f32 (raw), .jsonl.",
     "  embed text -m all-MiniLM-L6-v2 'a cat on a mat' 'ein Hund'\n"
     "  embed text -m all-MiniLM-L6-v2 -f lines.txt -o vectors.npy\n"
     "  embed text -m bert-base-uncased --pool mean --normalize < lines.txt > vectors.jsonl\n"
     "  embed text -m all-MiniLM-L6-v2 --jsonl body -f posts.jsonl -o posts-with-vectors.jsonl\n"
     "  embed text -m all-MiniLM-L6-v2 -f lines.txt --precision int8 --ranges r.npy -o q.npy\n",
     run_text},
    {"hidden", COMMAND_HIDDEN, " [-f FILE | --ids FILE | TEXT...]", "the vector of every token",
     "last_hidden_state, or another layer: an array (texts, tokens of the longest, hidden) whose\n"
     "rows past a text's own tokens are zero. Output is .npy, or .jsonl by the suffix of -o.",
     "  embed hidden -m bert-base-uncased 'a cat on a mat' -o hidden.npy\n"
     "  embed hidden -m bert-base-uncased -f lines.txt --layer 0 -o embeddings.npy\n"
     "  echo '[101,1037,4937,102]' | embed hidden -m bert-base-uncased --ids - -o hidden.npy\n",
     run_hidden},
    {"tokens", COMMAND_TOKENS, " [-f FILE | TEXT...]", "what the tokenizer makes of a text",
     "A JSON object for each text: ids, tokens, type_ids, offsets (bytes [start, end) within that\n"
     "member of a pair; [0,0] for special tokens that were added) and word_ids (null for those).\n"
     "A pair has sequence_ids too. Nothing is cut unless --max-length is given, and no prompt is\n"
     "put before a text unless --prompt or --prompt-text is given.",
     "  embed tokens -m bert-base-uncased 'unaffable cats'\n"
     "  embed tokens -m bert-base-uncased --pair -f pairs.tsv --max-length 128\n",
     run_tokens},
    {"similar", COMMAND_SIMILAR, " [-f FILE | TEXT...]", "how near texts are to each other",
     "A table of how near each text is to each other one, by the model's own similarity.",
     "  embed similar -m all-MiniLM-L6-v2 'a cat' 'a kitten' 'tax law'\n"
     "  embed similar -m all-MiniLM-L6-v2 -f lines.txt --similarity dot --json\n",
     run_similar},
    {"search", COMMAND_SEARCH, " -f FILE QUERY...", "the lines of a file nearest to a query",
     "The lines of FILE, or of standard input, that are nearest to each QUERY: score, line number\n"
     "and text. Queries take the model's prompt \"query\" and lines its prompt \"document\" (else\n"
     "\"passage\" or \"corpus\") if it has prompts of these names, and no prompt at all if not.",
     "  embed search -m all-MiniLM-L6-v2 -f notes.txt 'how do I reset my password'\n"
     "  embed search -m all-MiniLM-L6-v2 -f posts.jsonl --jsonl body --top 10 --json tea\n"
     "  embed search -m e5-small-v2 -f notes.txt --document-prompt passage tea\n",
     run_search},
    {"info", COMMAND_INFO, "", "the recipe of a model, its sizes and memory",
     "The recipe in use, sizes, kernels, and the memory for a budget of tokens (--batch-tokens).\n"
     "pooling tells how one vector is made; without modules.json it is the [CLS] vector.",
     "  embed info -m all-MiniLM-L6-v2\n"
     "  embed info -m bert-base-uncased --batch-tokens 8192 --threads 4\n"
     "  embed info -m all-MiniLM-L6-v2 --json\n",
     run_info},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(void)
{
    puts("Usage: embed SUBCOMMAND -m DIR [OPTION...] [TEXT...]\n\n"
         "Text embeddings from Hugging Face and sentence-transformers model directories.\n\n"
         "Subcommands:");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-8s  %s\n", commands[i].name, commands[i].summary);
    puts("\n  embed SUBCOMMAND --help   options and examples\n"
         "  embed --version           version and build\n\n"
         "Examples:\n"
         "  embed text -m all-MiniLM-L6-v2 'a cat on a mat'\n"
         "  embed search -m all-MiniLM-L6-v2 -f notes.txt 'how do I reset my password'\n\n"
         "Exit status: 0 done, 1 failed, 2 not understood.");
}

/* ---- the process ------------------------------------------------------------------------- */

/* A closed standard stream must not become the next file that is opened. */
static void hold_standard_streams(void)
{
    for (int fd = 0; fd <= 2; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", fd == 0 ? O_WRONLY : O_RDONLY) < 0)
            exit(1);
}

static void stop(int number)
{
    output_discard();
    progress_clear();
    signal(number, SIG_DFL);
    raise(number);
}

static void set_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    signal(SIGPIPE, SIG_IGN); /* a write fails instead */
    for (size_t i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++) {
        struct sigaction action;

        if (sigaction(numbers[i], NULL, &action) < 0 || action.sa_handler == SIG_IGN)
            continue; /* nohup */
        memset(&action, 0, sizeof(action));
        action.sa_handler = stop;
        sigemptyset(&action.sa_mask);
        sigaction(numbers[i], &action, NULL);
    }
}

static int finish(void)
{
    output out;

    output_open(&out, NULL, FORMAT_JSONL);
    output_close(&out);
    return 0;
}

int main(int argc, char **argv)
{
    options o;

    hold_standard_streams();
    set_signals();
    if (argc < 2)
        usage("no subcommand: text, hidden, tokens, similar, search or info");
    if (strcmp(argv[1], "--help") == 0 || strcmp(argv[1], "-h") == 0 ||
        strcmp(argv[1], "help") == 0) {
        print_help();
        return finish();
    }
    if (strcmp(argv[1], "--version") == 0) {
        printf("embed %s\nisa=%s %s\n", embed_version_string(), embed_isa(),
               embed_build_info());
        return finish();
    }
    for (int i = 0; i < COMMANDS; i++) {
        if (strcmp(argv[1], commands[i].name) != 0)
            continue;
        set_command(commands[i].name);
        options_parse(&o, &commands[i], argc - 2, argv + 2);
        if (o.help) {
            options_print_help(&commands[i]);
            return finish();
        }
        commands[i].run(&o);
        return 0;
    }
    usage(argv[1][0] == '-' ? "unknown option %s" : "unknown subcommand %s", argv[1]);
}
