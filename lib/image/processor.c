/* Reading preprocessor_config.json: the classes of image processors with their defaults, the forms
 * that a size comes in, and the processor as JSON. Spellings, defaults and what is refused follow
 * transformers 5. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "image.h"

/* ---- classes ---------------------------------------------------------------------- */

enum { /* traits of a class */
    BY_EDGE = 1 << 0,    /* `size` as a number is the shortest edge (default_to_square false) */
    EDGE = 1 << 1,       /* the default size is the shortest edge */
    CROP = 1 << 2,       /* do_center_crop by default */
    NO_CROP = 1 << 3,    /* do_center_crop has no effect */
    NO_PAD = 1 << 4,     /* do_pad has no effect */
    TORCH = 1 << 5,      /* see emb_image_processor.torch */
    PATCHES = 1 << 6,    /* patch_size and max_num_patches in place of `size` */
    CROP_PCT = 1 << 7,   /* ConvNext's resize, see set_convnext */
    SQUARE_SIZE = 1 << 8 /* knows use_square_size */
};

typedef struct image_class {
    const char *name;
    int32_t traits;
    int32_t size, crop_size; /* 0: none */
    emb_resample resample;
    const double *mean, *std;
    const char *model_types; /* whose processor it is, between spaces */
} image_class;

static const double half[3] = {0.5, 0.5, 0.5};
static const double imagenet_mean[3] = {0.485, 0.456, 0.406};
static const double imagenet_std[3] = {0.229, 0.224, 0.225};
static const double clip_mean[3] = {0.48145466, 0.4578275, 0.40821073};
static const double clip_std[3] = {0.26862954, 0.26130258, 0.27577711};

static const image_class classes[] = {
    {"ViTImageProcessor", 0, 224, 0, EMB_BILINEAR, half, half,
     " vit vit_mae vit_msn ijepa swin swinv2 swiftformer dinat clipseg trocr mgp-str "},
    {"DeiTImageProcessor", CROP, 256, 224, EMB_BICUBIC, half, half, " deit "},
    {"BeitImageProcessor", NO_PAD, 224, 224, EMB_BICUBIC, half, half, " beit data2vec-vision "},
    {"CLIPImageProcessor", BY_EDGE | EDGE | CROP | SQUARE_SIZE, 224, 224, EMB_BICUBIC, clip_mean,
     clip_std,
     " clip clip_vision_model aimv2 aimv2_vision_model altclip florence2 git groupvit kosmos-2"
     " metaclip_2 mlcd vipllava xclip "},
    {"ChineseCLIPImageProcessor", BY_EDGE | EDGE | CROP, 224, 224, EMB_BICUBIC, clip_mean, clip_std,
     " chinese_clip chinese_clip_vision_model "},
    {"BlipImageProcessor", 0, 384, 0, EMB_BICUBIC, clip_mean, clip_std,
     " blip blip-2 blip_vision_model instructblip "},
    {"SiglipImageProcessor", BY_EDGE, 224, 0, EMB_BICUBIC, half, half,
     " siglip siglip_vision_model colpali gemma3n paligemma "},
    {"Siglip2ImageProcessor", PATCHES | NO_CROP | NO_PAD, 0, 0, EMB_BILINEAR, half, half,
     " siglip2 siglip2_vision_model "},
    {"BitImageProcessor", BY_EDGE | EDGE | CROP, 224, 224, EMB_BICUBIC, clip_mean, clip_std,
     " bit dinov2 dinov2_with_registers focalnet hiera pixio "},
    {"ConvNextImageProcessor", BY_EDGE | EDGE | NO_PAD | CROP_PCT, 384, 0, EMB_BICUBIC, half, half,
     " convnext convnextv2 cvt regnet resnet "},
    {"DINOv3ViTImageProcessor", NO_PAD | TORCH, 224, 0, EMB_BILINEAR, imagenet_mean, imagenet_std,
     " dinov3_vit "},
};

/* ---- values ------------------------------------------------------------------------ */

/* A file as its readers see it: the first failure is kept in status. An absent key takes the
 * default; null is Python's None: a flag is off, anything else is refused where it is needed. */
typedef struct reader {
    const emb_json *root;
    const char *file;
    embed_error *error;
    int32_t status;
} reader;

static const emb_json *member(const reader *r, const char *key)
{
    return emb_json_get(r->root, key);
}

/* What a value is, for messages: small ones in full. */
static emb_excerpt shown(const emb_json *v)
{
    const char *text = emb_json_text(v);
    char digits[24];
    int64_t n;
    if (text) return emb_excerpt_of(text, strlen(text));
    snprintf(digits, sizeof digits, "%lld", emb_json_to_int(v, &n) ? (long long)n : 0);
    text = emb_json_is(v, EMB_JSON_INTEGER) ? digits : emb_json_kind_name(v);
    return emb_excerpt_of(text, strlen(text));
}

static void refuse(reader *r, int32_t status, const char *key, const char *expected,
                   const emb_json *found)
{
    const char *quote = emb_json_text(found) ? "\"" : "";
    char line[32] = "";
    if (r->status < 0) return;
    if (found)
        snprintf(line, sizeof line, " line %lld:", (long long)emb_json_value_line(found));
    r->status = emb_fail(r->error, status, "%s:%s %s: expected %s, found %s%s%s", r->file, line,
                         key, expected, quote, shown(found).text, quote);
}

/* true, false, null, or a number as Python takes it */
static bool read_flag(reader *r, const char *key, bool fallback)
{
    const emb_json *v = member(r, key);
    if (!v) return fallback;
    if (emb_json_is(v, EMB_JSON_INTEGER)) return emb_json_to_double(v) != 0;
    if (!emb_json_is(v, EMB_JSON_TRUE) && !emb_json_is(v, EMB_JSON_FALSE) &&
        !emb_json_is(v, EMB_JSON_NULL))
        refuse(r, EMBED_EFORMAT, key, "true or false", v);
    return emb_json_is(v, EMB_JSON_TRUE);
}

static bool is_number(const emb_json *v)
{
    return (emb_json_is(v, EMB_JSON_INTEGER) || emb_json_is(v, EMB_JSON_FLOAT)) &&
           fabs(emb_json_to_double(v)) <= 1e30;
}

/* Null, where it is not used: the fallback. */
static const emb_json *given(const reader *r, const char *key, bool used)
{
    const emb_json *v = member(r, key);
    return emb_json_is(v, EMB_JSON_NULL) && !used ? NULL : v;
}

static double read_number(reader *r, const char *key, double fallback, bool used)
{
    const emb_json *v = given(r, key, used);
    if (v && !is_number(v)) refuse(r, EMBED_EFORMAT, key, "a number up to 1e30", v);
    return v ? emb_json_to_double(v) : fallback;
}

/* One number for all channels, or three. */
static void read_channels(reader *r, const char *key, const double fallback[3], bool used,
                          double out[3])
{
    const emb_json *v = given(r, key, used), *e = emb_json_first(v);
    bool list = emb_json_is(v, EMB_JSON_ARRAY);
    for (int c = 0; c < 3; c++) {
        const emb_json *number = list ? e : v;
        out[c] = v ? emb_json_to_double(number) : fallback[c];
        if (v && !is_number(number))
            refuse(r, EMBED_EFORMAT, key, "a number or three, up to 1e30", number ? number : v);
        e = emb_json_next_sibling(e);
    }
    if (list && e) refuse(r, EMBED_EFORMAT, key, "three numbers, for red, green and blue", v);
}

static int64_t checked_side(reader *r, const char *key, const emb_json *v)
{
    int64_t n = 1;
    if (!emb_json_is(v, EMB_JSON_INTEGER) || !emb_json_to_int(v, &n) || n < 1 ||
        n > EMB_MAX_IMAGE_SIDE)
        refuse(r, EMBED_EFORMAT, key, "whole numbers from 1 to 1048576", v);
    return n;
}

/* ---- sizes -------------------------------------------------------------------------- */

typedef enum { /* members of a size object */
    HEIGHT, WIDTH, SHORTEST_EDGE, LONGEST_EDGE, MAX_HEIGHT, MAX_WIDTH, MIN_PIXELS, MAX_PIXELS,
    SIZE_KEYS
} size_key;

typedef struct size_value {
    int64_t of[SIZE_KEYS]; /* 0: absent */
} size_value;

static size_value size_of(int64_t side, bool by_edge)
{
    size_value s = {{0}};
    if (by_edge) s.of[SHORTEST_EDGE] = side;
    else s.of[HEIGHT] = s.of[WIDTH] = side;
    return s;
}

static void read_size_object(reader *r, const char *key, const emb_json *v, size_value *out)
{
    static const char *const names[SIZE_KEYS] = {"height",     "width",     "shortest_edge",
                                                 "longest_edge", "max_height", "max_width",
                                                 "min_pixels", "max_pixels"};
    static const uint32_t together[] = {1 << HEIGHT | 1 << WIDTH,
                                        1 << SHORTEST_EDGE,
                                        1 << SHORTEST_EDGE | 1 << LONGEST_EDGE,
                                        1 << LONGEST_EDGE,
                                        1 << MAX_HEIGHT | 1 << MAX_WIDTH,
                                        1 << MIN_PIXELS | 1 << MAX_PIXELS};
    uint32_t present = 0;
    bool known = false;
    *out = (size_value){{0}};
    for (const emb_json *e = emb_json_first(v); e; e = emb_json_next_sibling(e)) {
        int i = 0;
        while (i < SIZE_KEYS && strcmp(names[i], emb_json_key(e)) != 0) i++;
        present |= UINT32_C(1) << i;
        if (i < SIZE_KEYS && !emb_json_is(e, EMB_JSON_NULL)) out->of[i] = checked_side(r, key, e);
    }
    for (int64_t i = 0; i < EMB_COUNT(together); i++) known |= present == together[i];
    if (!known)
        refuse(r, EMBED_EFORMAT, key,
               "height and width, shortest_edge with or without longest_edge, or max_height and "
               "max_width", v);
}

/* An integer, [height, width] or an object. Absent: *out is left as it is. */
static void read_size(reader *r, const char *key, bool by_edge, bool used, size_value *out)
{
    const emb_json *v = given(r, key, used);
    if (!v) return;
    if (emb_json_is(v, EMB_JSON_OBJECT)) {
        read_size_object(r, key, v, out);
    } else if (emb_json_is(v, EMB_JSON_ARRAY)) {
        const emb_json *height = emb_json_first(v), *width = emb_json_next_sibling(height);
        *out = (size_value){{0}};
        if (emb_json_length(v) != 2) {
            refuse(r, EMBED_EFORMAT, key, "[height, width]", v);
            return;
        }
        out->of[HEIGHT] = checked_side(r, key, height);
        out->of[WIDTH] = checked_side(r, key, width);
    } else {
        *out = size_of(checked_side(r, key, v), by_edge);
    }
}

static void read_height_width(reader *r, const char *key, const char *flag, int32_t fallback,
                              bool used, int64_t *height, int64_t *width)
{
    size_value size = size_of(fallback, false);
    char expected[64];
    read_size(r, key, false, used, &size);
    *height = size.of[HEIGHT];
    *width = size.of[WIDTH];
    snprintf(expected, sizeof expected, "height and width, because of %s", flag);
    if (used && !(*height && *width)) refuse(r, EMBED_EUNSUPPORTED, key, expected, member(r, key));
}

/* Below 384 the shortest edge is resized to more, of which the middle is taken; from there on
 * everything is pressed into a square. */
static void set_convnext(emb_image_processor *p, int64_t edge)
{
    bool crop = edge < 384;
    p->rule = crop ? EMB_SIZE_SHORTEST_EDGE : EMB_SIZE_EXACT;
    p->height = crop ? (int64_t)((double)edge / p->crop_pct) : edge;
    p->width = crop ? 0 : edge;
    if (crop) {
        p->do_center_crop = true;
        p->crop_height = p->crop_width = edge;
    }
}

static void read_convnext(reader *r, emb_image_processor *p, const size_value *size)
{
    int64_t edge = size->of[SHORTEST_EDGE];
    p->crop_pct = read_number(r, "crop_pct", 224.0 / 256, edge < 384);
    if (!edge) refuse(r, EMBED_EUNSUPPORTED, "size", "shortest_edge", member(r, "size"));
    if (p->crop_pct < 1.0 / 1024 || p->crop_pct > 1)
        refuse(r, EMBED_EUNSUPPORTED, "crop_pct", "a number from 1/1024 to 1",
               member(r, "crop_pct"));
    if (edge < 384 && p->do_center_crop && (p->crop_height != edge || p->crop_width != edge))
        refuse(r, EMBED_EUNSUPPORTED, "do_center_crop", "false, or a crop_size that equals size",
               member(r, "do_center_crop"));
    if (r->status == EMBED_OK) set_convnext(p, edge);
}

static void read_resize(reader *r, emb_image_processor *p, const image_class *class)
{
    bool by_edge = !read_flag(r, "default_to_square", (class->traits & BY_EDGE) == 0);
    size_value size = size_of(class->size, (class->traits & EDGE) != 0);
    read_size(r, "size", by_edge, p->do_resize, &size);
    if (class->traits & SQUARE_SIZE && read_flag(r, "use_square_size", false))
        size = size_of(class->size, false);
    if (!p->do_resize) return;
    if (class->traits & CROP_PCT) {
        read_convnext(r, p, &size);
    } else if (size.of[SHORTEST_EDGE]) {
        p->rule = EMB_SIZE_SHORTEST_EDGE;
        p->height = size.of[SHORTEST_EDGE];
        p->width = size.of[LONGEST_EDGE];
    } else if (size.of[MAX_HEIGHT] && size.of[MAX_WIDTH]) {
        p->rule = EMB_SIZE_MAX_HEIGHT_WIDTH;
        p->height = size.of[MAX_HEIGHT];
        p->width = size.of[MAX_WIDTH];
    } else if (size.of[HEIGHT] && size.of[WIDTH]) {
        p->rule = EMB_SIZE_EXACT;
        p->height = size.of[HEIGHT];
        p->width = size.of[WIDTH];
    } else {
        refuse(r, EMBED_EUNSUPPORTED, "size",
               "height and width, shortest_edge, or max_height and max_width", member(r, "size"));
    }
}

static void read_patches(reader *r, emb_image_processor *p)
{
    const emb_json *patch = member(r, "patch_size"), *count = member(r, "max_num_patches");
    p->rule = EMB_SIZE_MAX_PATCHES;
    p->width = patch ? checked_side(r, "patch_size", patch) : 16;
    p->height = count ? checked_side(r, "max_num_patches", count) : 256;
}

static void read_resample(reader *r, emb_image_processor *p, const image_class *class)
{
    const emb_json *v = given(r, "resample", p->do_resize && !(class->traits & PATCHES));
    int64_t code = class->resample;
    bool understood = !v || (emb_json_to_int(v, &code) && code >= 0 && code <= EMB_HAMMING);
    if (!understood)
        refuse(r, EMBED_EUNSUPPORTED, "resample", "one of Pillow's codes 0 to 5", v);
    else if (p->torch && p->do_resize && code != EMB_BILINEAR && code != EMB_BICUBIC)
        refuse(r, EMBED_EUNSUPPORTED, "resample", "2 or 3 with this image_processor_type", v);
    p->resample = (emb_resample)code;
}

/* ---- the file -------------------------------------------------------------------------- */

/* "ViTFeatureExtractor", "ViTImageProcessorFast", "ViTImageProcessorPil": ViTImageProcessor. */
static const image_class *class_by_name(const char *name)
{
    if (!name) return NULL;
    static const char *const endings[] = {"ImageProcessor", "ImageProcessorFast",
                                          "ImageProcessorPil", "FeatureExtractor"};
    for (int64_t i = 0; i < EMB_COUNT(classes); i++) {
        size_t stem = strlen(classes[i].name) - strlen(endings[0]);
        if (strncmp(name, classes[i].name, stem) != 0) continue;
        for (int64_t e = 0; e < EMB_COUNT(endings); e++)
            if (strcmp(name + stem, endings[e]) == 0) return &classes[i];
    }
    return NULL;
}

static const image_class *class_by_model(const char *model_type)
{
    char word[64];
    snprintf(word, sizeof word, " %s ", model_type ? model_type : "");
    for (int64_t i = 0; i < EMB_COUNT(classes) && model_type; i++)
        if (strstr(classes[i].model_types, word)) return &classes[i];
    return NULL;
}

static const image_class *find_class(reader *r, const char *model_type)
{
    static const char *const key = "image_processor_type";
    const emb_json *v = given(r, key, false);
    if (!v) v = given(r, "feature_extractor_type", false);
    const image_class *class = v ? class_by_name(emb_json_text(v)) : class_by_model(model_type);
    char expected[512] = "";
    if (class) return class;
    for (int64_t i = 0; i < EMB_COUNT(classes); i++)
        snprintf(expected + strlen(expected), sizeof expected - strlen(expected), "%s%s",
                 i ? ", " : "one of ", classes[i].name);
    refuse(r, EMBED_EUNSUPPORTED, key, expected, v);
    return NULL;
}

static void read_steps(reader *r, emb_image_processor *p, const image_class *class)
{
    const int32_t traits = class->traits;
    p->type = class->name;
    p->torch = (traits & TORCH) != 0;
    p->do_resize = read_flag(r, "do_resize", true);
    p->do_center_crop =
        read_flag(r, "do_center_crop", (traits & CROP) != 0) && !(traits & NO_CROP);
    p->do_rescale = read_flag(r, "do_rescale", true);
    p->do_normalize = read_flag(r, "do_normalize", true);
    p->do_pad = read_flag(r, "do_pad", false) && !(traits & NO_PAD);
    read_flag(r, "do_convert_rgb", true); /* always done */
    p->rescale_factor = read_number(r, "rescale_factor", 1.0 / 255, p->do_rescale);
    read_channels(r, "image_mean", class->mean, p->do_normalize, p->mean);
    read_channels(r, "image_std", class->std, p->do_normalize, p->std);
    for (int c = 0; c < 3; c++)
        if (p->do_normalize && (float)p->std[c] == 0)
            refuse(r, EMBED_EFORMAT, "image_std", "numbers other than 0", member(r, "image_std"));
    read_height_width(r, "crop_size", "do_center_crop", class->crop_size, p->do_center_crop,
                      &p->crop_height, &p->crop_width);
    read_height_width(r, "pad_size", "do_pad", 0, false, &p->pad_height, &p->pad_width);
    read_resample(r, p, class);
    if (traits & PATCHES) read_patches(r, p);
    else read_resize(r, p, class);
    if (p->torch && (p->do_resize || p->do_normalize) && !p->do_rescale)
        refuse(r, EMBED_EUNSUPPORTED, "do_rescale", "true with this image_processor_type",
               member(r, "do_rescale"));
}

/* do_pad without pad_size pads to the largest of a batch: nothing, where all are alike. */
static void check_padding(reader *r, emb_image_processor *p)
{
    if (!p->do_pad || (p->pad_height && p->pad_width)) return;
    p->do_pad = false;
    if (given(r, "pad_size", false) || emb_image_processor_varies(p))
        refuse(r, EMBED_EUNSUPPORTED, "pad_size", "height and width, because of do_pad",
               member(r, "pad_size"));
}

int32_t emb_image_processor_read(emb_image_processor *p, const emb_json *root, const char *file,
                                 const char *model_type, embed_error *error)
{
    reader r = {.root = root, .file = file, .error = error};
    const emb_json *inner = emb_json_get(root, "image_processor");
    if (emb_json_is(inner, EMB_JSON_OBJECT)) r.root = inner;
    *p = (emb_image_processor){0};
    if (root && !emb_json_is(root, EMB_JSON_OBJECT))
        return emb_fail(error, EMBED_EFORMAT, "%s: expected an object, found %s", file,
                        emb_json_kind_name(root));
    const image_class *class = find_class(&r, model_type);
    if (!class) return r.status;
    read_steps(&r, p, class);
    check_padding(&r, p);
    return r.status;
}

void emb_image_processor_resize(emb_image_processor *p, int64_t size)
{
    bool patches = p->rule == EMB_SIZE_MAX_PATCHES;
    if (p->do_resize && p->crop_pct > 0) {
        set_convnext(p, size);
    } else if (p->do_resize && patches) {
        int64_t along = EMB_MAX(size / p->width, 1);
        p->height = along * along;
    } else if (p->do_resize) {
        p->height = size;
        p->width = p->rule == EMB_SIZE_SHORTEST_EDGE ? 0 : size;
    }
    if (p->do_center_crop) p->crop_height = p->crop_width = size;
    if (p->do_pad) p->pad_height = p->pad_width = size;
}

/* ---- as JSON ----------------------------------------------------------------------------- */

/* The shortest decimal that reads back as the same number. */
static void describe_number(emb_buffer *b, double value)
{
    char text[40];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (strtod(text, NULL) == value) break;
    }
    for (char *c = text; *c; c++)
        if (*c == ',') *c = '.'; /* the locale's */
    emb_buffer_printf(b, "%s", text);
}

static void describe_size(emb_buffer *b, const char *key, const char *names[2], int64_t first,
                          int64_t second)
{
    emb_buffer_printf(b, ",\"%s\":{\"%s\":%lld", key, names[0], (long long)first);
    if (second) emb_buffer_printf(b, ",\"%s\":%lld", names[1], (long long)second);
    emb_buffer_printf(b, "}");
}

static void describe_channels(emb_buffer *b, const char *key, const double values[3])
{
    emb_buffer_printf(b, ",\"%s\":", key);
    for (int c = 0; c < 3; c++) {
        emb_buffer_printf(b, c ? "," : "[");
        describe_number(b, values[c]);
    }
    emb_buffer_printf(b, "]");
}

void emb_image_processor_describe(const emb_image_processor *p, emb_buffer *b)
{
    static const char *const filters[] = {"nearest", "lanczos", "bilinear",
                                          "bicubic", "box",     "hamming"};
    static const char *names[][2] = {{"height", "width"},
                                     {"shortest_edge", "longest_edge"},
                                     {"max_height", "max_width"},
                                     {"max_num_patches", "patch_size"}};
    emb_buffer_printf(b, "{\"type\":\"%s\"", p->type);
    if (p->do_resize) {
        describe_size(b, "size", names[p->rule], p->height, p->width);
        emb_buffer_printf(b, ",\"resample\":\"%s\"", filters[p->resample]);
    }
    if (p->do_center_crop)
        describe_size(b, "crop_size", names[0], p->crop_height, p->crop_width);
    if (p->do_rescale) {
        emb_buffer_printf(b, ",\"rescale_factor\":");
        describe_number(b, p->rescale_factor);
    }
    if (p->do_normalize) {
        describe_channels(b, "image_mean", p->mean);
        describe_channels(b, "image_std", p->std);
    }
    if (p->do_pad) describe_size(b, "pad_size", names[0], p->pad_height, p->pad_width);
    emb_buffer_printf(b, "}");
}
