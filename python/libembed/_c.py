"""include/embed.h in ctypes: its numbers, structs and functions, under their own names.

Written by hand, and held against the header by tests/abi.py: a function, field or number that is missing
here, or differs, fails it. Arrays of numbers are passed by address (c_void_p).
"""

from __future__ import annotations

import ctypes as C

P = C.POINTER
address = C.c_void_p

# ---- Status

EMBED_OK = 0
EMBED_EINVAL = -1
EMBED_ENOMEM = -2
EMBED_EIO = -3
EMBED_EFORMAT = -4
EMBED_EUNSUPPORTED = -5
EMBED_ETENSOR = -6
EMBED_ERANGE = -7
EMBED_EWORKSPACE = -8
EMBED_EUTF8 = -9
EMBED_EKIND = -10
EMBED_ECANCELED = -11
EMBED_ETOKEN = -12
EMBED_EMISSING = -13
EMBED_STATUS_END = -32767


class embed_error(C.Structure):
    _fields_ = [
        ("struct_size", C.c_uint32),
        ("status", C.c_int32),
        ("message", C.c_char * 1016),
    ]


# ---- Version

EMBED_VERSION_MAJOR = 0
EMBED_VERSION_MINOR = 1
EMBED_VERSION_PATCH = 0

# ---- Model

embed_model = C.c_void_p
embed_session = C.c_void_p

embed_alloc_fn = C.CFUNCTYPE(C.c_void_p, C.c_void_p, C.c_size_t, C.c_size_t)
embed_free_fn = C.CFUNCTYPE(None, C.c_void_p, C.c_void_p, C.c_size_t)

EMBED_GEMM_AUTO = 0
EMBED_GEMM_PACKED = 1
EMBED_GEMM_BLAS = 2

EMBED_WEIGHTS_DEFAULT = 0
EMBED_WEIGHTS_F32 = 1
EMBED_WEIGHTS_F16 = 2
EMBED_WEIGHTS_BF16 = 3
EMBED_WEIGHTS_INT8 = 4

EMBED_COMPUTE_DEFAULT = 0
EMBED_COMPUTE_F32 = 1
EMBED_COMPUTE_BF16 = 2
EMBED_COMPUTE_BF16_ALWAYS = 3

EMBED_OPEN_READ = 1 << 0
EMBED_OPEN_NO_ENCODER = 1 << 1
EMBED_OPEN_TO_SAVE = 1 << 2


class embed_open_options(C.Structure):
    _fields_ = [
        ("struct_size", C.c_uint32),
        ("flags", C.c_uint32),
        ("alloc", embed_alloc_fn),
        ("free", embed_free_fn),
        ("alloc_user", C.c_void_p),
        ("isa", C.c_char_p),
        ("gemm", C.c_int32),
        ("weights", C.c_int32),
        ("compute", C.c_int32),
        ("reserved", C.c_int32),
        ("keep_float", C.c_char_p),
    ]


EMBED_INFO_DIM = 1
EMBED_INFO_HIDDEN_SIZE = 2
EMBED_INFO_NUM_LAYERS = 3
EMBED_INFO_NUM_HEADS = 4
EMBED_INFO_INTERMEDIATE_SIZE = 5
EMBED_INFO_VOCAB_SIZE = 6
EMBED_INFO_MAX_LENGTH = 7
EMBED_INFO_MAX_POSITIONS = 8
EMBED_INFO_POOLING = 9
EMBED_INFO_NORMALIZES = 10
EMBED_INFO_HAS_POOLER = 11
EMBED_INFO_SIMILARITY = 12
EMBED_INFO_PARAMETERS = 13
EMBED_INFO_WEIGHT_BYTES = 14
EMBED_INFO_GEMM = 15
EMBED_INFO_HAS_TOKENIZER = 16
EMBED_INFO_TAKES_TEXTS = 17
EMBED_INFO_TAKES_IMAGES = 18
EMBED_INFO_IMAGE_HIDDEN_SIZE = 19
EMBED_INFO_IMAGE_NUM_LAYERS = 20
EMBED_INFO_PATCH_SIZE = 21
EMBED_INFO_PREFIX_TOKENS = 22
EMBED_INFO_WEIGHTS = 23
EMBED_INFO_NUM_LABELS = 24
EMBED_INFO_COMPUTE = 25
EMBED_INFO_FILE_FORMAT = 26
EMBED_INFO_FILE_BYTES = 27
EMBED_INFO_GOLDEN = 28

# ---- Session

embed_task_fn = C.CFUNCTYPE(None, C.c_void_p, C.c_int64)
embed_parallel_fn = C.CFUNCTYPE(None, C.c_void_p, embed_task_fn, C.c_void_p, C.c_int64)


class embed_session_options(C.Structure):
    _fields_ = [
        ("struct_size", C.c_uint32),
        ("threads", C.c_int32),
        ("batch_tokens", C.c_int64),
        ("max_text_bytes", C.c_int64),
        ("parallel", embed_parallel_fn),
        ("parallel_user", C.c_void_p),
        ("max_image_side", C.c_int64),
    ]


EMBED_WORKSPACE_ALIGN = 64

# ---- Inputs and options of a call

EMBED_IMAGE_ENCODED = 0
EMBED_IMAGE_RGB = 1
EMBED_IMAGE_RGBA = 2
EMBED_IMAGE_GREY = 3
EMBED_IMAGE_PIXEL_VALUES = 4


class embed_image(C.Structure):
    _fields_ = [
        ("data", C.c_void_p),
        ("size", C.c_int64),
        ("path", C.c_char_p),
        ("stride", C.c_int64),
        ("width", C.c_int32),
        ("height", C.c_int32),
        ("format", C.c_int32),
        ("reserved", C.c_int32 * 5),
    ]


class embed_input(C.Structure):
    _fields_ = [
        ("struct_size", C.c_uint32),
        ("flags", C.c_uint32),
        ("count", C.c_int64),
        ("texts", P(C.c_char_p)),
        ("text_sizes", address),
        ("pairs", P(C.c_char_p)),
        ("pair_sizes", address),
        ("ids", address),
        ("type_ids", address),
        ("offsets", address),
        ("images", P(embed_image)),
    ]


EMBED_POOL_DEFAULT = 0
EMBED_POOL_CLS = 1
EMBED_POOL_MEAN = 2
EMBED_POOL_MAX = 3
EMBED_POOL_LAST = 4
EMBED_POOL_WEIGHTED = 5
EMBED_POOL_SQRT_LEN = 6
EMBED_POOL_POOLER = 7
EMBED_POOL_MEAN_ALL = 8
EMBED_POOL_PATCHES = 9
EMBED_POOL_PROJECTION = 10
EMBED_POOL_SCORES = 11

EMBED_NORMALIZE_DEFAULT = 0
EMBED_NORMALIZE_ON = 1
EMBED_NORMALIZE_OFF = 2

EMBED_TRUNCATE_DEFAULT = 0
EMBED_TRUNCATE_RIGHT = 1
EMBED_TRUNCATE_LEFT = 2

EMBED_STRATEGY_LONGEST_FIRST = 0
EMBED_STRATEGY_ONLY_FIRST = 1
EMBED_STRATEGY_ONLY_SECOND = 2

EMBED_LONG_TEXTS_TRUNCATE = 0
EMBED_LONG_TEXTS_REFUSE = 1
EMBED_LONG_TEXTS_WINDOWS = 2

EMBED_NO_MODULES = 1 << 0
EMBED_NO_TRUNCATION = 1 << 1
EMBED_REPLACE_INVALID_UTF8 = 1 << 2
EMBED_NO_SPECIAL_TOKENS = 1 << 3
EMBED_APPLY_EXIF = 1 << 4
EMBED_ALPHA_WHITE = 1 << 5
EMBED_INTERPOLATE_POS_ENCODING = 1 << 6
EMBED_FOR_IMAGES = 1 << 7


def EMBED_LAYER(k: int) -> int:
    return k + 1


embed_progress_fn = C.CFUNCTYPE(C.c_int32, C.c_void_p, C.c_int64, C.c_int64)
embed_failed_fn = C.CFUNCTYPE(C.c_int32, C.c_void_p, C.c_int64, C.c_int32, C.c_char_p)


class embed_encode_options(C.Structure):
    _fields_ = [
        ("struct_size", C.c_uint32),
        ("flags", C.c_uint32),
        ("pooling", C.c_int32),
        ("layer", C.c_int32),
        ("normalize", C.c_int32),
        ("truncation_side", C.c_int32),
        ("strategy", C.c_int32),
        ("reserved", C.c_int32),
        ("dim", C.c_int64),
        ("max_length", C.c_int64),
        ("prompt_name", C.c_char_p),
        ("prompt", C.c_char_p),
        ("progress", embed_progress_fn),
        ("progress_user", C.c_void_p),
        ("failed", embed_failed_fn),
        ("failed_user", C.c_void_p),
        ("image_size", C.c_int64),
        ("long_texts", C.c_int32),
        ("reserved_2", C.c_int32),
        ("stride", C.c_int64),
    ]


class embed_tokens(C.Structure):
    _fields_ = [
        ("struct_size", C.c_uint32),
        ("flags", C.c_uint32),
        ("capacity", C.c_int64),
        ("ids", address),
        ("type_ids", address),
        ("offsets", address),
        ("word_ids", address),
        ("sequence_ids", address),
    ]


# ---- Single-file models

embed_write_fn = C.CFUNCTYPE(C.c_int32, C.c_void_p, C.c_void_p, C.c_int64)

EMBED_SAVE_NO_GOLDEN = 1 << 0


class embed_save_options(C.Structure):
    _fields_ = [
        ("struct_size", C.c_uint32),
        ("flags", C.c_uint32),
        ("progress", embed_progress_fn),
        ("progress_user", C.c_void_p),
    ]


class embed_verification(C.Structure):
    _fields_ = [
        ("struct_size", C.c_uint32),
        ("reserved", C.c_uint32),
        ("inputs", C.c_int64),
        ("different", C.c_int64),
        ("largest", C.c_double),
        ("cosine", C.c_double),
    ]


# ---- Helpers on vectors

EMBED_SIMILARITY_COSINE = 1
EMBED_SIMILARITY_DOT = 2
EMBED_SIMILARITY_EUCLIDEAN = 3
EMBED_SIMILARITY_MANHATTAN = 4

EMBED_PRECISION_FLOAT32 = 0
EMBED_PRECISION_INT8 = 1
EMBED_PRECISION_UINT8 = 2
EMBED_PRECISION_BINARY = 3
EMBED_PRECISION_UBINARY = 4

# ---- Functions: what they return, what they take

_i32, _i64, _size, _text = C.c_int32, C.c_int64, C.c_size_t, C.c_char_p
_error, _input, _options = P(embed_error), P(embed_input), P(embed_encode_options)

FUNCTIONS = {
    "embed_status_string": (_text, [_i32]),
    "embed_version": (C.c_uint32, []),
    "embed_version_string": (_text, []),
    "embed_build_info": (_text, []),
    "embed_isa": (_text, []),
    "embed_model_open": (_i32, [_text, P(embed_open_options), P(embed_model), _error]),
    "embed_model_open_memory": (
        _i32,
        [address, _size, P(embed_open_options), P(embed_model), _error],
    ),
    "embed_model_free": (None, [embed_model]),
    "embed_model_info": (_i64, [embed_model, _i32]),
    "embed_model_describe": (_text, [embed_model]),
    "embed_model_warning": (_text, [embed_model, _i64]),
    "embed_model_prompt": (_text, [embed_model, _text]),
    "embed_model_prompt_name": (_text, [embed_model, _i64]),
    "embed_model_product": (_text, [embed_model, _i64]),
    "embed_token_text": (_text, [embed_model, _i32]),
    "embed_token_id": (_i32, [embed_model, _text]),
    "embed_workspace_size": (_i32, [embed_model, P(embed_session_options), P(_size), _error]),
    "embed_session_init": (
        _i32,
        [embed_model, P(embed_session_options), address, _size, P(embed_session), _error],
    ),
    "embed_session_create": (
        _i32,
        [embed_model, P(embed_session_options), P(embed_session), _error],
    ),
    "embed_session_free": (None, [embed_session]),
    "embed_session_error": (_text, [embed_session]),
    "embed_tokenize": (
        _i64,
        [embed_session, _text, _i64, _text, _i64, _options, P(embed_tokens)],
    ),
    "embed_count_tokens": (_i32, [embed_session, _input, _options, address]),
    "embed_output_dim": (_i64, [embed_model, _options]),
    "embed_encode": (_i32, [embed_session, _input, _options, address, _i64]),
    "embed_encode_texts": (
        _i32,
        [embed_session, P(_text), address, _i64, _options, address, _i64],
    ),
    "embed_encode_spans": (
        _i32,
        [embed_session, _text, _i64, address, _i64, _options, address, _i64],
    ),
    "embed_row_prompt": (
        _i64,
        [P(_text), address, P(_text), address, _i64, _text, _i64],
    ),
    "embed_label_prompt": (_i64, [_text, _i64, _text, _i64]),
    "embed_last_hidden_state": (_i32, [embed_session, _input, _options, address, _i64]),
    "embed_last_hidden_state_ragged": (
        _i32,
        [embed_session, _input, _options, address, _i64, address],
    ),
    "embed_pixel_sizes": (_i32, [embed_session, _input, _options, address]),
    "embed_pixel_values": (_i32, [embed_session, _input, _options, address, _i64, _i64]),
    "embed_model_save": (
        _i32,
        [embed_model, embed_write_fn, C.c_void_p, P(embed_save_options), _error],
    ),
    "embed_verify": (_i32, [embed_session, P(embed_verification)]),
    "embed_pool": (_i32, [address, _i64, _i64, address, _i32, address]),
    "embed_pool_span": (_i32, [address, _i64, _i64, _i64, _i64, address]),
    "embed_pool_word": (_i32, [address, _i64, _i64, address, _i32, address]),
    "embed_pooler": (_i32, [embed_session, address, address]),
    "embed_normalize": (_i32, [address, _i64, _i64, _i64]),
    "embed_similarity": (_i32, [_i32, address, _i64, address, _i64, _i64, address]),
    "embed_quantized_size": (_i64, [_i64, _i32]),
    "embed_quantize_ranges": (_i32, [address, _i64, _i64, _i64, address]),
    "embed_quantize": (_i32, [address, _i64, _i64, _i64, _i32, address, address]),
}


def bind(library: C.CDLL) -> C.CDLL:
    """Give every function of the library its types. AttributeError: the library lacks one."""
    for name, (result, arguments) in FUNCTIONS.items():
        function = getattr(library, name)
        function.restype = result
        function.argtypes = arguments
    return library
