/* exif: the orientation tag of a TIFF block or of XMP, and finding those in a JPEG file, as
 * Pillow's exif_transpose does. Whatever is broken there means "as stored". */
#include "decode.h"

enum { ORIENTATION = 0x0112, SHORT = 3, LONG = 4 };

static uint32_t get16(const uint8_t *p, bool big)
{
    return big ? emb_be16(p) : emb_le16(p);
}

static uint32_t get32(const uint8_t *p, bool big)
{
    return big ? emb_be32(p) : emb_le32(p);
}

int32_t emb_exif_orientation(const uint8_t *data, size_t size)
{
    uint32_t found = 0;
    bool any = false;
    for (int i = 0; i < 2 && size >= 6 && memcmp(data, "Exif\0\0", 6) == 0; i++) {
        data += 6;
        size -= 6;
    }
    if (size < 8) return 0;
    bool big = memcmp(data, "MM\0*", 4) == 0;
    if (!big && memcmp(data, "II*\0", 4) != 0) return 0;
    size_t at = get32(data + 4, big);
    if (at > size || size - at < 2) return 0;
    uint32_t count = get16(data + at, big);
    at += 2;
    for (; count > 0 && size - at >= 12; count--, at += 12) {
        const uint8_t *entry = data + at;
        if (get16(entry, big) != ORIENTATION || get32(entry + 4, big) != 1) continue;
        uint32_t type = get16(entry + 2, big);
        any = true;
        if (type == SHORT) found = get16(entry + 8, big);
        else if (type == LONG) found = get32(entry + 8, big);
    }
    return !any ? 0 : found >= 1 && found <= 8 ? (int32_t)found : 1;
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Only the beginning of the profile is looked at: the tag is among the first. */
int32_t emb_raw_profile_orientation(const uint8_t *data, size_t size)
{
    uint8_t exif[2048];
    size_t used = 0, at = 0;
    for (int lines = 0; at < size && lines < 3; at++) lines += data[at] == '\n';
    while (used < sizeof exif && at + 1 < size) {
        int high = hex(data[at]), low = hex(data[at + 1]);
        if (high >= 0 && low >= 0) exif[used++] = (uint8_t)(high << 4 | low);
        at += high >= 0 && low >= 0 ? 2 : 1;
    }
    return emb_exif_orientation(exif, used);
}

int32_t emb_xmp_orientation(const uint8_t *data, size_t size)
{
    static const char key[] = "tiff:Orientation";
    const size_t length = sizeof key - 1;
    for (size_t i = 0; i + length + 3 <= size; i++) {
        if (memcmp(data + i, key, length) != 0) continue;
        const uint8_t *p = data + i + length;
        if (*p == '=' && p[1] == '"') p++;
        else if (*p != '>') continue;
        if (p[1] >= '0' && p[1] <= '9') return p[1] <= '8' ? p[1] - '0' : 0;
    }
    return 0;
}

int32_t emb_jpeg_orientation(const uint8_t *data, size_t size)
{
    static const char xmp[] = "http://ns.adobe.com/xap/1.0/"; /* and its NUL */
    int32_t from_exif = 0, from_xmp = 0;
    bool seen = false;
    for (size_t at = 2; at + 4 <= size;) {
        if (data[at] != 0xFF || data[at + 1] == 0xFF) {
            at++;
            continue;
        }
        uint8_t marker = data[at + 1];
        if (marker == 0xDA) break;
        at += 2;
        if (marker == 0 || (marker >= 0xD0 && marker <= 0xD9)) continue;
        size_t length = emb_be16(data + at);
        if (length < 2 || length > size - at) break;
        const uint8_t *body = data + at + 2;
        size_t left = length - 2;
        if (marker == 0xE1 && left >= 6 && memcmp(body, "Exif\0\0", 6) == 0 && !seen) {
            from_exif = emb_exif_orientation(body, left);
            seen = true;
        } else if (marker == 0xE1 && left >= sizeof xmp && memcmp(body, xmp, sizeof xmp) == 0) {
            from_xmp = emb_xmp_orientation(body + sizeof xmp, left - sizeof xmp);
        }
        at += length;
    }
    int32_t found = from_exif ? from_exif : from_xmp;
    return found ? found : 1;
}
