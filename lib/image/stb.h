/* stb_image as one file compiles it in, privately. That file says before what it wants of it: two do, so that builds
 * with libjpeg have no second decoder of JPEG in them. */
#ifndef EMB_STB_H
#define EMB_STB_H

#include <limits.h>

#include "decode.h"

#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wsign-compare"
#define STB_IMAGE_IMPLEMENTATION
#define STB_IMAGE_STATIC
#define STBI_NO_STDIO
#define STBI_NO_LINEAR
#define STBI_NO_FAILURE_STRINGS
#define STBI_ASSERT(x) ((void)(x)) /* hostile files must not end the process */
#include <stb_image.h>

#endif
