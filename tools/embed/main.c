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
     run_vectors},
    {"image", COMMAND_IMAGE, " [-f FILE | IMAGE...]", "one vector an image",
     "One vector for each image: files and folders as arguments, or named by the lines of FILE or\n"
     "of standard input; the argument - is an image on standard input. JPEG, PNG, GIF (the first\n"
     "frame), BMP, TGA and PNM are told by their content, whatever a name says. Of a folder, and\n"
     "of the folders in it, the files are taken whose names end as those of images do (.jpg, .png\n"
     "and so on), in byte order of their paths; hidden ones and links to folders are not.\n"
     "Without --pool a plain ViT takes the mean over all tokens, CLIP its projection, SigLIP its\n"
     "attention-pooling head (embed info tells). Output is as that of embed text.\n"
     "An image that cannot be read is reported and the exit status is 1, but the others are\n"
     "embedded and its place is kept: NaN in .npy and .f32, in JSON lines its file and \"error\".",
     "  embed image -m vit-base-patch16-224-in21k cat.jpg dog.png\n"
     "  embed image -m vit-base-patch16-224-in21k photos/ -o vectors.npy\n"
     "  find photos -name '*.jpg' | embed image -m clip-vit-base-patch32 -f - > vectors.jsonl\n"
     "  embed image -m dinov2-base --pool patches --normalize cat.jpg\n",
     run_vectors},
    {"hidden", COMMAND_HIDDEN, " [-f FILE | --ids FILE | --pixels FILE | TEXT... | IMAGE...]",
     "the vector of every token",
     "last_hidden_state, or another layer: an array (inputs, tokens of the longest, hidden) whose\n"
     "rows past an input's own tokens are zero. Output is .npy, or .jsonl by the suffix of -o.\n"
     "For a model that takes images alone, or with --image, inputs are images as in embed image.",
     "  embed hidden -m bert-base-uncased 'a cat on a mat' -o hidden.npy\n"
     "  embed hidden -m bert-base-uncased -f lines.txt --layer 0 -o embeddings.npy\n"
     "  echo '[101,1037,4937,102]' | embed hidden -m bert-base-uncased --ids - -o hidden.npy\n"
     "  embed hidden -m vit-base-patch16-224-in21k cat.jpg -o hidden.npy\n",
     run_hidden},
    {"score", COMMAND_SCORE, " [-f FILE | QUERY TEXT...]", "how well texts answer a query",
     "Scores of pairs by a cross-encoder, a model with a sequence-classification head (rerankers):\n"
     "of QUERY with each TEXT, or of the two texts, parted by a tab, of each line of FILE or of\n"
     "standard input. A score is the sigmoid of one label, or as many labels as there are, unless\n"
     "config.json names another activation; --no-modules leaves it out. Output is as that of\n"
     "embed text, with \"scores\" in place of \"embedding\".",
     "  embed score -m ms-marco-MiniLM-L6-v2 'how many people live in Berlin' 'Berlin has 3.7 million'\n"
     "  embed score -m bge-reranker-base -f pairs.tsv -o scores.npy\n",
     run_score},
    {"chunks", COMMAND_CHUNKS, " [-f FILE | TEXT...]", "vectors of the parts of long texts",
     "Late chunking: each text goes through the model whole, and then each of its chunks gets the\n"
     "mean of its own tokens' vectors, which have seen the rest of the text. A JSON object for each\n"
     "chunk: the text's index, the chunk's number, start and end in bytes of the text, the chunk and\n"
     "its embedding. A sentence ends behind . ! ? and the like and before white space, or at an\n"
     "empty line; a paragraph at an empty line. Texts of several lines come by --jsonl or --null.",
     "  embed chunks -m jina-embeddings-v2-base-en --jsonl body -f posts.jsonl -o chunks.jsonl\n"
     "  embed chunks -m all-MiniLM-L6-v2 --chunks 64 --long-texts windows --stride 32 -f lines.txt\n"
     "  embed chunks -m all-MiniLM-L6-v2 'Berlin is a city. It has 3.7 million people.'\n",
     run_chunks},
    {"table", COMMAND_TABLE, " TABLE.csv", "one vector a row of a table",
     "Rows of a CSV file (RFC 4180, with a header) as texts: \"The age is 39. The work class is\n"
     "private.\", with spaces for the underscores of a column's name, embedded as embed text does.\n"
     "JSON lines have the text as \"prompt\". Values are taken as they stand in the file, but for\n"
     "white space around them.",
     "  embed table -m distilbert-base-uncased --pool mean_all adult.csv -o rows.npy\n"
     "  embed table -m all-MiniLM-L6-v2 --columns age,work_class --delimiter ';' adult.csv\n"
     "  embed table -m bert-base-uncased --columns review --label sentiment reviews.csv\n",
     run_vectors},
    {"tokens", COMMAND_TOKENS, " [-f FILE | TEXT...]", "what the tokenizer makes of a text",
     "A JSON object for each text: ids, tokens, type_ids, offsets (bytes [start, end) within that\n"
     "member of a pair; [0,0] for special tokens that were added) and word_ids (null for those).\n"
     "A pair has sequence_ids too. Nothing is cut unless --max-length is given, and no prompt is\n"
     "put before a text unless --prompt or --prompt-text is given.",
     "  embed tokens -m bert-base-uncased 'unaffable cats'\n"
     "  embed tokens -m bert-base-uncased --pair -f pairs.tsv --max-length 128\n",
     run_tokens},
    {"similar", COMMAND_SIMILAR, " [-f FILE | TEXT... | IMAGE...]",
     "how near texts or images are to each other",
     "A table of how near each text is to each other one, by the model's own similarity. For a\n"
     "model that takes images alone, or with --image, of images: files and folders.",
     "  embed similar -m all-MiniLM-L6-v2 'a cat' 'a kitten' 'tax law'\n"
     "  embed similar -m all-MiniLM-L6-v2 -f lines.txt --similarity dot --json\n"
     "  embed similar -m vit-base-patch16-224-in21k photos/\n",
     run_similar},
    {"search", COMMAND_SEARCH, " -f FILE QUERY...", "the lines or images nearest to a query",
     "The lines of FILE, or of standard input, that are nearest to each QUERY: score, line number\n"
     "and text. Queries take the model's prompt \"query\" and lines its prompt \"document\" (else\n"
     "\"passage\" or \"corpus\") if it has prompts of these names, and no prompt at all if not.\n"
     "Of a model that takes images alone, queries are images, and so is what is searched: a\n"
     "folder, or the files and folders that lines name. One that takes texts too searches images\n"
     "with --image, and has images for queries with --query-image.",
     "  embed search -m all-MiniLM-L6-v2 -f notes.txt 'how do I reset my password'\n"
     "  embed search -m all-MiniLM-L6-v2 -f posts.jsonl --jsonl body --top 10 --json tea\n"
     "  embed search -m e5-small-v2 -f notes.txt --document-prompt passage tea\n"
     "  embed search -m vit-base-patch16-224-in21k -f photos/ cat.jpg\n",
     run_search},
    {"map", COMMAND_MAP, " [-f FILE | TEXT... | IMAGE...]",
     "a page that lays out texts or images by nearness",
     "One HTML page that lays out texts or images in two dimensions, the first two principal\n"
     "components of their vectors, and says how much of the variance these explain. A point shows\n"
     "its text or picture, and its nearest ones by the model's own similarity in all dimensions.\n"
     "The page needs no network and no other file: pictures are in it, small and without their\n"
     "metadata. For a model that takes images alone, or with --image, of images as embed image.",
     "  embed map -m all-MiniLM-L6-v2 -f lines.txt -o map.html\n"
     "  embed map -m vit-base-patch16-224-in21k photos/ --title 'My photos' -o map.html\n",
     run_map},
    {"pixels", COMMAND_PIXELS, " [-f FILE | IMAGE...]", "images as the model takes them",
     "The images after preprocessor_config.json, what the reference calls pixel_values: an array\n"
     "(images, 3, height, width) of float32. Needs no weights. All must come out at one size.",
     "  embed pixels -m vit-base-patch16-224-in21k cat.jpg dog.png -o pixels.npy\n",
     run_pixels},
    {"info", COMMAND_INFO, "", "the recipe of a model, its sizes and memory",
     "The recipe in use, sizes, kernels, and the memory for a budget of tokens (--batch-tokens).\n"
     "pooling tells how one vector is made; without modules.json it is the [CLS] vector.",
     "  embed info -m all-MiniLM-L6-v2\n"
     "  embed info -m bert-base-uncased --batch-tokens 8192 --threads 4\n"
     "  embed info -m all-MiniLM-L6-v2 --json\n",
     run_info},
    {"convert", COMMAND_CONVERT, " -o FILE", "a model directory as one file",
     "Writes a model as a single file, which opens faster than the directory and is shared between\n"
     "processes: weights as the kernels read them, tokenizer, configuration and modules. With f32 it\n"
     "gives the same vectors bit by bit; fewer bits are smaller, and for them the report says how\n"
     "near the vectors are to those of f32. The file brings inputs and vectors for embed verify.\n"
     "It appears under its name when it is whole; one that is there is replaced with --force only.",
     "  embed convert -m all-MiniLM-L6-v2 -o minilm.embed\n"
     "  embed convert -m all-MiniLM-L6-v2 -o minilm.embed --dtype int8 --sample lines.txt\n"
     "  embed convert -m all-MiniLM-L6-v2 -o minilm.embed --dtype int8 --min-cosine 0.999\n"
     "  embed text -m minilm.embed 'a cat on a mat'\n",
     run_convert},
    {"verify", COMMAND_VERIFY, " [FILE]", "whether a single file gives the vectors it should",
     "Encodes the inputs that a single-file model brings with every instruction set of this CPU (or\n"
     "that of --isa), and compares with the vectors made when it was converted. Exit status 1 if any\n"
     "has not the same bits, with how far off they are.",
     "  embed verify minilm.embed\n",
     run_verify},
};

enum { COMMANDS = sizeof(commands) / sizeof(commands[0]) };

static void print_help(void)
{
    puts("Usage: embed SUBCOMMAND -m DIR [OPTION...] [TEXT... | IMAGE...]\n\n"
         "Text and image embeddings from Hugging Face and sentence-transformers model\n"
         "directories.\n\n"
         "Subcommands:");
    for (int i = 0; i < COMMANDS; i++)
        printf("  %-8s  %s\n", commands[i].name, commands[i].summary);
    puts("\n  embed SUBCOMMAND --help   options and examples\n"
         "  embed --version           version and build\n"
         "  embed completion [NAME]   subcommands, or the options of one, for shells\n\n"
         "Examples:\n"
         "  embed text -m all-MiniLM-L6-v2 'a cat on a mat'\n"
         "  embed search -m all-MiniLM-L6-v2 -f notes.txt 'how do I reset my password'\n"
         "  embed image -m vit-base-patch16-224-in21k photos/ -o vectors.npy\n\n"
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
    progress_clear();
    output_discard(number == SIGINT ? "interrupted: " : "stopped by a signal: ");
    signal(number, SIG_DFL);
    raise(number);
}

static void set_signals(void)
{
    static const int numbers[] = {SIGINT, SIGTERM, SIGHUP};

    signal(SIGPIPE, SIG_IGN); /* a write fails instead */
    signal(SIGXFSZ, SIG_IGN);
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
    output_printed();
    return 0;
}

static const command *find_command(const char *name)
{
    for (int i = 0; i < COMMANDS; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    usage(name[0] == '-' ? "unknown option %s" : "unknown subcommand %s", name);
}

/* What the completion scripts of shells ask for. */
static int print_completion(int argc, char **argv)
{
    if (argc > 1)
        usage("unexpected argument \"%s\"", argv[1]);
    if (argc)
        options_print_completion(find_command(argv[0]));
    else
        for (int i = 0; i < COMMANDS; i++)
            printf("%s\t%s\n", commands[i].name, commands[i].summary);
    return finish();
}

int main(int argc, char **argv)
{
    const command *c;
    options o;

    hold_standard_streams();
    set_signals();
    if (argc < 2)
        usage("no subcommand: text, image, search, info or another one");
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
    if (strcmp(argv[1], "completion") == 0)
        return print_completion(argc - 2, argv + 2);
    c = find_command(argv[1]);
    set_command(c->name);
    options_parse(&o, c, argc - 2, argv + 2);
    if (o.help) {
        options_print_help(c);
        return finish();
    }
    c->run(&o);
    return exit_status();
}
