/* image: from a file's bytes or raw pixels to the tensor that a vision model takes. decode.c makes
 * 8-bit pixels of encoded images, exactly those of Pillow; resize.c resizes as Pillow does;
 * preprocess.c runs the steps of preprocessor_config.json. No file here knows a model. */
#ifndef EMB_IMAGE_H
#define EMB_IMAGE_H

#include "../format/json.h"
#include "../kernels/kernels.h"

/* Pixels in memory, 8 bits a channel, rows from top to bottom. */
typedef struct emb_pixels {
    int64_t width, height;
    int64_t stride;      /* bytes from row to row */
    int32_t channels;    /* 1 grey, 3 RGB, 4 RGBA (alpha is dropped, or laid over white) */
    const uint8_t *data; /* [height][stride] */
    void *owned;         /* what emb_pixels_free gives back to the allocator; NULL: someone else's */
} emb_pixels;

/* ---- decoding (decode.c) -------------------------------------------------------------- */

typedef struct emb_decode_options {
    bool apply_exif;    /* turn the image as its EXIF orientation says */
    int64_t max_pixels; /* more are refused (EMBED_ERANGE) before they are allocated; 0: the
                           largest, EMB_MAX_PIXELS */
} emb_decode_options;

/* Pillow refuses (DecompressionBombError) what has more pixels than this. */
#define EMB_MAX_PIXELS INT64_C(357913940)

/* Width and height of an encoded image, after EXIF orientation if that is to be applied, from its
 * header alone. name is what messages call it. */
int32_t emb_image_probe(const void *data, size_t size, const char *name,
                        const emb_decode_options *o, int64_t *width, int64_t *height,
                        embed_error *error);
/* The pixels of an encoded image as Pillow's convert("RGB") has them, but for alpha, which is kept
 * (channels 4) where the file has it, for whoever wants it over white. What cannot be made equal is
 * refused (EMBED_EUNSUPPORTED); truncated and corrupt files are EMBED_EFORMAT. */
int32_t emb_image_decode(const void *data, size_t size, const char *name,
                         const emb_decode_options *o, const emb_allocator *a, emb_pixels *out,
                         embed_error *error);
void emb_pixels_free(emb_pixels *pixels, const emb_allocator *a);

/* ---- preprocessing (preprocess.c) -------------------------------------------------------- */

typedef enum { /* Pillow's codes, which preprocessor_config.json uses */
    EMB_NEAREST = 0, EMB_LANCZOS = 1, EMB_BILINEAR = 2, EMB_BICUBIC = 3, EMB_BOX = 4, EMB_HAMMING = 5
} emb_resample;

typedef enum { /* what `size` means */
    EMB_SIZE_EXACT,            /* height x width */
    EMB_SIZE_SHORTEST_EDGE,    /* the shorter side becomes height, the other keeps the ratio. width:
                                * what the longer side may be at most, 0: anything */
    EMB_SIZE_MAX_HEIGHT_WIDTH, /* the largest of this ratio that fits height x width */
    EMB_SIZE_MAX_PATCHES       /* whole patches of width x width pixels, at most height of them, of
                                * a ratio near the image's (SigLIP2 NaFlex) */
} emb_size_rule;

/* The steps of preprocessor_config.json, in their order. What a file writes in many ways has one
 * form here. Sizes are at most EMB_MAX_IMAGE_SIDE. */
typedef struct emb_image_processor {
    const char *type; /* image_processor_type as understood: "ViTImageProcessor"; static */
    /* resize */
    bool do_resize;
    bool torch; /* as torchvision does (DINOv3): resize after rescale, in float, without rounding */
    emb_size_rule rule;
    int64_t height, width; /* see rule */
    emb_resample resample;
    double crop_pct; /* ConvNext's, from which its size and crop were made; 0: none */
    /* the middle; what lies outside the image is black */
    bool do_center_crop;
    int64_t crop_height, crop_width;
    /* (float)(level * rescale_factor), then (value - (float)mean) / (float)std */
    bool do_rescale, do_normalize;
    double rescale_factor, mean[3], std[3];
    /* zeros below and to the right */
    bool do_pad;
    int64_t pad_height, pad_width;
} emb_image_processor;

#define EMB_MAX_IMAGE_SIDE (INT64_C(1) << 20)

/* Read preprocessor_config.json, or processor_config.json with an "image_processor" inside: every
 * form that occurs; what is not implemented is refused by name. model_type decides the class where
 * the file does not name one ("vit", "clip"; NULL: unknown). root NULL: the class's defaults. */
int32_t emb_image_processor_read(emb_image_processor *p, const emb_json *root, const char *file,
                                 const char *model_type, embed_error *error);
/* The processor with another size, 1 to EMB_MAX_IMAGE_SIDE, as if the file said so: height and
 * width; or the shortest edge, without a limit for the longest; or max_height and max_width;
 * ConvNext's shortest_edge with what follows from it; of NaFlex as many patches as a square of this
 * side has (at least one). Centre crop and padding become a square of this side. Without do_resize
 * the size is that of the crop and the padding alone. */
void emb_image_processor_resize(emb_image_processor *p, int64_t size);
/* As the "image" member of the model's description: {"type":...}. */
void emb_image_processor_describe(const emb_image_processor *p, emb_buffer *b);

/* Height and width after all steps of an image of width x height. EMBED_ERANGE: none or too many
 * pixels, or what the reference refuses too: more than pad_size, no whole patches. */
int32_t emb_image_processor_size(const emb_image_processor *p, int64_t width, int64_t height,
                                 int64_t out[2], embed_error *error);
/* true: out depends on the image, not on the processor alone. */
bool emb_image_processor_varies(const emb_image_processor *p);
/* Bytes of scratch for an image of width x height, aligned to 64; SIZE_MAX: too many. It grows with
 * the side lengths, not with the area. */
size_t emb_image_processor_scratch(const emb_image_processor *p, int64_t width, int64_t height);
/* Run the steps: the top left keep_height x keep_width of the result -> out[3][keep_height]
 * [keep_width] (patches that do not fill up are never computed). Cannot fail once size and scratch
 * are known. Only pixels that reach the result are computed. alpha_white: lay an image with alpha
 * over white, as the reference's do_convert_rgb; else alpha is dropped. */
void emb_image_process(const emb_image_processor *p, const emb_kernels *k, const emb_pixels *image,
                       bool alpha_white, int64_t keep_height, int64_t keep_width, float *out,
                       void *scratch);

#endif
