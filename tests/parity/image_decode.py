#!/usr/bin/env python3
"""Pixels of lib/image against Pillow's convert("RGB"), live.

usage: image_decode.py [--data DIR] [--random N] [--mutate N] [--seed N] [--jpeg turbo|stb] [--sanitize] [--list]
Builds image_decode_probe.c with cc and drives it through pipes: every file under DIR (default:
../shared/data/images), N random images in every mode, size and option that Pillow writes, and N mutations and
truncations of each kind of them. A file that both read must have the same pixels (and alpha); one that only this
library reads must have its reason in ONLY_HERE. Files that only Pillow reads are counted by message. With --jpeg stb the
difference of JPEG pixels is measured instead. The exit status is 1 on a difference.
"""
import argparse
import collections
import glob
import io
import os
import random
import re
import struct
import subprocess
import sys
import tempfile
import warnings
import zlib

import numpy as np
from PIL import Image, ImageFile, ImageOps

warnings.simplefilter("ignore")
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
# Why Pillow may refuse what is read here: faults that do not touch the pixels.
ONLY_HERE = ["APNG", "MAX_TEXT", "Truncated (gAMA|cHRM|sRGB|pHYs|tRNS|acTL) chunk", "iCCP", "index out of range", "unpack"]
READ = {"JPEG", "MPO", "PNG", "GIF", "BMP", "TGA", "PPM"}


def build_probe(folder, jpeg, sanitize):
    out = os.path.join(folder, "image_decode_probe")
    config = lambda *what: subprocess.check_output(["pkg-config", *what], text=True).split()
    sources = [f for f in glob.glob(ROOT + "/lib/image/decode*.c") if "decode_jpeg" not in f]
    names = ["exif", "stb_zlib", *(["decode_jpeg_stb", "stb_jpeg"] if jpeg == "stb" else ["decode_jpeg"])]
    sources += [ROOT + "/lib/image/%s.c" % f for f in names]
    sources += [ROOT + "/lib/base/%s.c" % f for f in ("memory", "status", "utf8")]
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", "-g"] if sanitize else []
    libs = config("--libs", "libjpeg") if jpeg == "turbo" else []
    subprocess.check_call(["cc", "-std=gnu11", "-O2", "-ffp-contract=off", *flags, *config("--cflags", "stb", "libcjson"),
                           "-o", out, ROOT + "/tests/parity/image_decode_probe.c", *sorted(sources), *libs, "-lm"])
    return out


class Probe:
    def __init__(self, path):
        self.process = subprocess.Popen([path], stdin=subprocess.PIPE, stdout=subprocess.PIPE)

    def read(self, size):
        data = self.process.stdout.read(size)
        if len(data) != size:
            sys.exit("the probe ended: %s" % self.process.wait())
        return data

    def decode(self, data, exif=False):
        """(pixels as an array of height, width, channels, None) or (None, message)."""
        self.process.stdin.write(struct.pack("<II", exif, len(data)) + data)
        self.process.stdin.flush()
        status, width, height, channels = struct.unpack("<4i", self.read(16))
        if status:
            return None, self.read(struct.unpack("<i", self.read(4))[0]).decode()
        return np.frombuffer(self.read(width * height * channels), np.uint8).reshape(height, width, channels), None


def reference(data, exif=False):
    """(RGB, alpha or None, None), or (None, None, why)."""
    try:
        image = Image.open(io.BytesIO(data))
        if image.format not in READ or image.mode == "F":
            return None, None, "format " + image.format
        image.load()
        if exif:
            image = ImageOps.exif_transpose(image)
        rgb, alpha = np.array(image.convert("RGB")), None
        if "A" in image.getbands() or image.info.get("transparency") is not None:
            alpha = np.array(image.convert("RGBA"))[:, :, 3]
        return rgb, alpha, None
    except Exception as e:
        return None, None, "%s: %s" % (type(e).__name__, str(e).split(" <_io")[0][:60])


class Tally:
    def __init__(self, listing):
        self.listing = listing
        self.counts = collections.Counter()
        self.ours, self.theirs = collections.Counter(), collections.Counter()
        self.examples, self.difference = {}, []

    def note(self, table, key, name):
        table[key] += 1
        self.examples.setdefault(key, name)

    def compare(self, probe, name, data, exif=False, measure=False):
        mine, message = probe.decode(data, exif)
        rgb, alpha, why = reference(data, exif)
        if mine is None and rgb is None:
            self.counts["neither"] += 1
        elif mine is None:
            self.counts["only Pillow"] += 1
            self.note(self.theirs, message, name)
            self.keep("there " + name, data)
        elif rgb is None:
            explained = any(re.search(reason, why) for reason in ONLY_HERE)
            self.counts["only here" if explained else "DIFFERENT STATUS"] += 1
            if not explained:
                print("only this library reads %s: %s" % (name, why))
            self.note(self.ours, why, name)
            self.keep("here " + name, data)
        else:
            color = np.repeat(mine, 3, axis=2) if mine.shape[2] == 1 else mine[:, :, :3]
            opaque = mine[:, :, 3] if mine.shape[2] == 4 else np.full(mine.shape[:2], 255, np.uint8)
            if measure and color.shape == rgb.shape:
                off = np.abs(color.astype(int) - rgb)
                self.difference.append(off.ravel())
                self.counts["same" if (color == rgb).all() else "measured"] += 1
                if off.max() > 16:
                    print("    off by %d, on average %.3f: %s" % (off.max(), off.mean(), name))
                    self.keep("off " + name, data)
            elif color.shape != rgb.shape or not (color == rgb).all():
                self.counts["DIFFERENT"] += 1
                print("DIFFERENT %s" % name, flush=True)
                self.keep(name, data)
            elif not (opaque == (255 if alpha is None else alpha)).all():
                self.counts["DIFFERENT ALPHA"] += 1
                print("DIFFERENT ALPHA %s" % name, flush=True)
                self.keep(name, data)
            else:
                self.counts["same"] += 1

    def keep(self, name, data):
        folder = os.environ.get("KEEP")
        if folder:
            with open(os.path.join(folder, name.replace("/", "_").replace(" ", "_")), "wb") as f:
                f.write(data)

    def report(self, title):
        print("%-28s %s" % (title, "  ".join("%s %d" % c for c in sorted(self.counts.items()))))
        for heading, table in (("only Pillow reads", self.theirs), ("only this library reads", self.ours)):
            for message, count in table.most_common(None if self.listing else 12):
                print("    %s: %5d  %s  (%s)" % (heading, count, message, self.examples[message]))
        if self.difference:
            every = np.concatenate(self.difference)
            print("    difference: mean %.4f, max %d, equal %.2f %%" % (every.mean(), every.max(), 100 * (every == 0).mean()))
        sys.stdout.flush()
        return sum(n for key, n in self.counts.items() if key.startswith("DIFFERENT"))


# ---- random images ---------------------------------------------------------------

def random_size(rng):
    kind = rng.random()
    if kind < 0.15:
        return rng.randint(1, 9), rng.randint(1, 9)
    if kind < 0.25:
        return rng.choice([(1, rng.randint(1, 900)), (rng.randint(1, 900), 1), (rng.randint(300, 2000), rng.randint(1, 5))])
    if kind < 0.27:
        return rng.randint(1000, 4000), rng.randint(800, 3000)
    return rng.randint(1, 200), rng.randint(1, 160)


def random_image(rng, mode, size=None):
    """Waves, noise and flat parts."""
    w, h = size or random_size(rng)
    state = np.random.default_rng(rng.getrandbits(32))
    bands = {"1": 1, "L": 1, "P": 1, "LA": 2, "RGB": 3, "RGBA": 4, "CMYK": 4, "I;16": 1}[mode]
    y, x = np.mgrid[0:h, 0:w]
    planes = []
    for _ in range(bands):
        wave = np.sin(x * state.uniform(0, 0.7) + state.uniform(0, 6)) * np.cos(y * state.uniform(0, 0.7))
        plane = 127.5 + 127.5 * wave + state.normal(0, state.choice([0, 0, 5, 60]), (h, w))
        plane[y * state.integers(1, 5) > x * 2] = state.integers(0, 256)
        planes.append(np.clip(plane, 0, 255).astype(np.uint8))
    if mode == "I;16":
        return Image.fromarray(planes[0].astype(np.uint16) * rng.choice([1, 2, 257]))
    if mode == "1":
        return Image.fromarray(planes[0]).convert("1")
    if mode == "P":
        return Image.merge("RGB", [Image.fromarray(p) for p in planes * 3]).quantize(rng.choice([2, 3, 4, 9, 16, 100, 256])) \
            if rng.random() < 0.3 else with_palette(rng, Image.fromarray(planes[0]))
    images = [Image.fromarray(p) for p in planes]
    return images[0] if bands == 1 else Image.merge(mode, images)


def with_palette(rng, grey):
    colors = rng.choice([2, 4, 5, 16, 17, 200, 256])
    image = Image.fromarray((np.array(grey).astype(int) * colors // 256).astype(np.uint8), "L")
    image.putpalette([rng.randrange(256) for _ in range(3 * colors)])
    return image


def encoded(image, kind, **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def random_exif(rng):
    exif = Image.Exif()
    if rng.random() < 0.7:
        exif[0x0112] = rng.randint(0, 9)
    if rng.random() < 0.5:
        exif[0x010F] = "maker"
    if rng.random() < 0.2:
        exif.endian = ">"
    return exif


def random_jpeg(rng):
    mode = rng.choice(["L", "RGB", "RGB", "RGB", "CMYK"])
    options = {"quality": rng.choice([1, 10, 50, 75, 90, 95, 100]), "progressive": rng.random() < 0.4,
               "optimize": rng.random() < 0.3}
    if mode != "L":
        options["subsampling"] = rng.choice([0, 1, 2, "4:1:1"] if mode == "CMYK" else [0, 1, 2, 2])
    if rng.random() < 0.3:
        options[rng.choice(["restart_marker_blocks", "restart_marker_rows"])] = rng.randint(1, 5)
    if rng.random() < 0.3:
        options["exif"] = random_exif(rng)
    if mode == "RGB" and rng.random() < 0.1:
        options.update(keep_rgb=True, subsampling=0)
    data = encoded(random_image(rng, mode), "JPEG", **options)
    if rng.random() < 0.15:  # other sampling factors, as far as the data still makes sense
        at = data.find(b"\xff\xc0")
        if at > 0 and mode == "RGB":
            data = data[:at + 11] + bytes([rng.choice([0x11, 0x12, 0x21, 0x22, 0x41])]) + data[at + 12:]
    return data


# (bits, type of pixel): samples
PNG_TYPES = {(1, 0): 1, (2, 0): 1, (4, 0): 1, (8, 0): 1, (16, 0): 1, (8, 2): 3, (16, 2): 3, (1, 3): 1, (2, 3): 1,
             (4, 3): 1, (8, 3): 1, (8, 4): 2, (16, 4): 2, (8, 6): 4, (16, 6): 4}


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def random_png(rng):
    """Written here, since Pillow writes neither interlaced nor 16-bit RGB."""
    if rng.random() < 0.3:
        image = random_image(rng, rng.choice(["1", "L", "LA", "P", "RGB", "RGBA", "I;16"]))
        options = {"compress_level": rng.randint(0, 9), "optimize": rng.random() < 0.2}
        if image.mode == "P" and rng.random() < 0.5:
            options["bits"] = rng.choice([b for b in (1, 2, 4, 8) if len(image.getpalette()) // 3 <= 1 << b] or [8])
        if image.mode in ("P", "L", "1") and rng.random() < 0.3:
            options["transparency"] = rng.randrange(256)
        if rng.random() < 0.3:
            options["exif"] = random_exif(rng)
        return encoded(image, "PNG", **options)
    (bits, kind), samples = rng.choice(list(PNG_TYPES.items()))
    w, h = random_size(rng)
    state = np.random.default_rng(rng.getrandbits(32))
    smooth = rng.random() < 0.5
    interlaced = rng.random() < 0.5
    raw = b""
    passes = [(0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2)]
    for x, y, dx, dy in passes if interlaced else [(0, 0, 1, 1)]:
        pw, ph = max(0, -((x - w) // dx)), max(0, -((y - h) // dy))
        if not pw or not ph:
            continue
        row = (pw * samples * bits + 7) // 8
        data = state.integers(0, 4 if smooth else 256, (ph, row), np.uint8)
        if bits == 16 and rng.random() < 0.5:
            data[:, ::2] = 0
        filters = state.integers(0, 5, (ph, 1), np.uint8)
        raw += np.concatenate([filters, data], 1).tobytes()
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, bits, kind, 0, 0, interlaced))
    if rng.random() < 0.2:
        out += chunk(b"gAMA", struct.pack(">I", 45455))
    if kind == 3:
        colors = 1 << bits if rng.random() < 0.8 else rng.randint(1, 1 << bits)
        out += chunk(b"PLTE", rng.randbytes(3 * colors))
    if rng.random() < 0.3 and kind in (0, 2, 3):
        if kind == 3:
            out += chunk(b"tRNS", rng.choice([rng.randbytes(rng.randint(0, 1 << bits)), b"\xff\0", b"\0", b"\xff\xff\0\xff"][:2 if bits == 1 else 4]))
        else:
            out += chunk(b"tRNS", struct.pack(">%dH" % (1 if kind == 0 else 3), *[rng.randrange(min(1 << bits, 4 if smooth else 1 << bits)) for _ in range(1 if kind == 0 else 3)]))
    if rng.random() < 0.2:
        out += chunk(b"eXIf", random_exif(rng).tobytes()[6:])
    packed = zlib.compress(raw, rng.randint(0, 9))
    while packed:
        n = len(packed) if rng.random() < 0.6 else rng.randint(1, len(packed))
        out += chunk(b"IDAT", packed[:n])
        packed = packed[n:]
    return out + chunk(b"IEND", b"")


def random_gif(rng):
    image = random_image(rng, rng.choice(["1", "L", "P", "P", "RGB", "RGBA"]))
    options = {"interlace": rng.random() < 0.5, "optimize": rng.random() < 0.3}
    if rng.random() < 0.4 and image.mode in ("P", "L"):
        options["transparency"] = rng.randrange(4)
    if rng.random() < 0.3:
        options.update(save_all=True, append_images=[random_image(rng, image.mode, image.size) for _ in range(2)],
                       disposal=rng.randint(0, 3))
    data = bytearray(encoded(image, "GIF", **options))
    if rng.random() < 0.3:  # another screen, the frame elsewhere
        at = 13 + (3 << (data[10] & 7) + 1 if data[10] & 0x80 else 0)
        while data[at] == 0x21:
            at += 2
            while data[at]:
                at += 1 + data[at]
            at += 1
        w, h = image.size
        struct.pack_into("<HH", data, 6, w + rng.randint(-min(3, w - 1), 9), h + rng.randint(-min(3, h - 1), 9))
        struct.pack_into("<HH", data, at + 1, rng.randint(0, 9), rng.randint(0, 9))
    return bytes(data)


def random_bmp(rng):
    if rng.random() < 0.4:
        return encoded(random_image(rng, rng.choice(["1", "L", "P", "RGB", "RGBA"])), "BMP")
    w, h = rng.randint(1, 60), rng.randint(1, 60)
    bits = rng.choice([1, 4, 8, 16, 24, 32])
    size = rng.choice([12, 40, 40, 52, 56, 64, 108, 124])
    compression, masks = 0, (0, 0, 0, 0)
    if size != 12 and bits in (16, 24, 32) and rng.random() < 0.6:
        compression = 3
        masks = rng.choice([(0xFF0000, 0xFF00, 0xFF, 0), (0xFF000000, 0xFF0000, 0xFF00, 0), (0xFF000000, 0xFF00, 0xFF, 0),
                            (0xFF000000, 0xFF0000, 0xFF00, 0xFF), (0xFF, 0xFF00, 0xFF0000, 0xFF000000),
                            (0xFF0000, 0xFF00, 0xFF, 0xFF000000), (0xFF000000, 0xFF00, 0xFF, 0xFF0000), (0, 0, 0, 0),
                            (0xF800, 0x7E0, 0x1F, 0), (0x7C00, 0x3E0, 0x1F, 0), (0xF00, 0xF0, 0xF, 0)])
    elif size != 12 and bits in (4, 8) and rng.random() < 0.5:
        compression = 1 if bits == 8 else 2
    down = size != 12 and rng.random() < 0.3
    colors = rng.choice([0, 0, 1 << bits, rng.randint(1, 1 << bits)]) if bits <= 8 else 0
    entry = 3 if size == 12 else 4
    count = (colors or 1 << bits) if bits <= 8 else 0
    if size == 12:
        header = struct.pack("<IHHHH", 12, w, h, 1, bits)
        count, colors = 1 << bits if bits <= 8 else 0, 0
    else:
        header = struct.pack("<IiiHHIIIIII", size, w, -h if down else h, 1, bits, compression, 0, 0, 0, colors, 0)
        fields = struct.pack("<4I", *masks) if compression == 3 else bytes(16)
        if size == 40 and compression == 3:
            header += fields[:12]
        elif size > 40:
            header += (fields + bytes(124))[:size - 40]
    palette = b"".join(bytes([i % 256] * 3 + [0])[:entry] if entry == 4 else bytes([i % 256] * 3) for i in range(count)) \
        if rng.random() < 0.2 else rng.randbytes(entry * count)
    if compression in (1, 2):
        pixels = random_runs(rng, w, h, compression == 2)
    else:
        pixels = rng.randbytes(((w * bits + 31) // 32 * 4) * h)
    offset = 14 + len(header) + len(palette)
    return b"BM" + struct.pack("<IHHI", offset + len(pixels), 0, 0, offset) + header + palette + pixels


def random_runs(rng, w, h, nibbles):
    out = b""
    for _ in range(h):
        x = 0
        while x < w:
            n = rng.randint(1, min(w - x, 255))
            if rng.random() < 0.5:
                out += bytes([n, rng.randrange(256)])
            elif n >= 3:
                data = rng.randbytes((n + 1) // 2 if nibbles else n)
                out += bytes([0, n]) + data + bytes(len(data) % 2)
            elif rng.random() < 0.3:
                break
            else:
                continue
            x += n
        out += rng.choice([b"\0\0", b"\0\0", b"\0\0", b"\0\2\1\0"]) if rng.random() < 0.95 else b""
    return out + rng.choice([b"\0\1", b"\0\0\0\1", b""])


def random_tga(rng):
    if rng.random() < 0.4:
        image = random_image(rng, rng.choice(["1", "L", "LA", "P", "RGB", "RGBA"]))
        return encoded(image, "TGA", compression=rng.choice([None, "tga_rle"][:1 if image.mode == "1" else 2]),
                       orientation=rng.choice([-1, 1]))
    kind, bits = rng.choice([(1, 8), (2, 16), (2, 24), (2, 32), (3, 8), (3, 16), (3, 1), (1, 16), (2, 8)])
    runs = rng.random() < 0.4
    w, h = rng.randint(1, 50), rng.randint(1, 50)
    start, count, map_bits = (rng.choice([0, 0, 3]), rng.choice([256, 250, 20]), rng.choice([16, 24, 32])) if kind == 1 else (0, 0, 0)
    count -= start
    head = struct.pack("<BBBHHBHHHHBB", 2, kind == 1 or rng.random() < 0.05, kind | (8 if runs else 0), start, max(count, 0),
                       map_bits, 0, 0, w, h, bits, rng.choice([0, 0x10, 0x20, 0x30]) | 8)
    head += b"id" + rng.randbytes(max(count, 0) * map_bits // 8)
    pixel = max(bits // 8, 1)
    if not runs or bits == 1:
        body = rng.randbytes((w * bits + 7) // 8 * h)
    else:
        body, left, x = b"", w * h, 0
        while left > 0:
            n = rng.randint(1, min(128, left, w - x) if rng.random() < 0.9 else min(128, left))
            if rng.random() < 0.5 and n <= w - x:
                body += bytes([127 + n]) + rng.randbytes(pixel)
            else:
                body += bytes([n - 1]) + rng.randbytes(n * pixel)
            x, left = (x + n) % w, left - n
    if rng.random() < 0.2:
        extension = rng.choice([0, len(head) + len(body)])
        body += bytes(494) + bytes([rng.choice([0, 3])]) + bytes(10) + struct.pack("<II", extension, 0) + b"TRUEVISION-XFILE.\0"
    return head + body + bytes(26 if rng.random() < 0.5 else 0)


def random_pnm(rng):
    if rng.random() < 0.3:
        return encoded(random_image(rng, rng.choice(["1", "L", "RGB", "I;16"])), "PPM")
    kind = rng.randint(1, 6)
    w, h = rng.randint(1, 40), rng.randint(1, 40)
    top = rng.choice([1, 2, 7, 15, 100, 254, 255, 256, 1000, 65534, 65535])
    comment = b"# made up\n" if rng.random() < 0.3 else b""
    head = b"P%d%s%s%d%s%d\n" % (kind, rng.choice([b" ", b"\n", b"\t"]), comment, w, rng.choice([b" ", b"\n", b"\r\n"]), h)
    if kind not in (1, 4):
        head += b"%d\n" % top
    samples = w * h * (3 if kind in (3, 6) else 1)
    if kind == 1:
        return head + rng.choice([b"", b" "]).join(rng.choice([b"0", b"1"]) for _ in range(samples)) + b"\n"
    if kind in (2, 3):
        return head + rng.choice([b" ", b"\n", b"  "]).join(b"%d" % rng.randint(0, top) for _ in range(samples)) + rng.choice([b"", b"\n"])
    if kind == 4:
        return head + rng.randbytes((w + 7) // 8 * h)
    return head + rng.randbytes(samples * (2 if top > 255 else 1))


RANDOM = {"jpeg": random_jpeg, "png": random_png, "gif": random_gif, "bmp": random_bmp, "tga": random_tga, "pnm": random_pnm}


def mutated(rng, data):
    data = bytearray(data)
    kind = rng.random()
    if kind < 0.3:
        return bytes(data[:rng.randrange(len(data))])
    if kind < 0.4:  # the end alone
        return bytes(data[:len(data) - rng.randint(1, min(40, len(data)))])
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(data)) if rng.random() < 0.5 else rng.randrange(min(len(data), 100))
        data[at] = rng.choice([data[at] ^ 1 << rng.randrange(8), rng.randrange(256), 0, 255])
    return bytes(data)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--data", default=os.path.join(ROOT, "../shared/data/images"))
    parser.add_argument("--random", type=int, default=400, help="random images of each format")
    parser.add_argument("--mutate", type=int, default=300, help="mutations of each format")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", default=",".join(RANDOM))
    parser.add_argument("--jpeg", default="turbo", choices=["turbo", "stb"])
    parser.add_argument("--sanitize", action="store_true")
    parser.add_argument("--list", action="store_true", help="every reason")
    args = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory() as folder:
        probe = Probe(build_probe(folder, args.jpeg, args.sanitize))
        tally = Tally(args.list)
        for path in sorted(glob.glob(args.data + "/**/*", recursive=True)):
            if os.path.isfile(path):
                with open(path, "rb") as f:
                    data = f.read()
                name = os.path.relpath(path, args.data)
                stb = args.jpeg == "stb" and data[:2] == b"\xff\xd8"
                tally.compare(probe, name, data, measure=stb)
                if not stb:
                    tally.compare(probe, name + " turned", data, True)
        failed += tally.report("files")
        for kind in args.only.split(","):
            rng = random.Random("%s %d" % (kind, args.seed))
            measure = args.jpeg == "stb" and kind == "jpeg"
            made, tally = [], Tally(args.list)
            for i in range(args.random):
                data = RANDOM[kind](rng)
                if len(data) < 20000:
                    made.append(data)
                tally.compare(probe, "random %s %d" % (kind, i), data, i % 3 == 0, measure)
            failed += tally.report("random " + kind)
            if measure:
                continue
            tally = Tally(args.list)
            for i in range(args.mutate):
                tally.compare(probe, "mutated %s %d" % (kind, i), mutated(rng, rng.choice(made)), i % 3 == 0)
            failed += tally.report("mutated " + kind)
    if failed:
        sys.exit("image_decode: %d differences" % failed)
    print("image_decode: every image that both read is the same")


if __name__ == "__main__":
    main()
