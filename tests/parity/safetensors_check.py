"""Accept or refuse: our safetensors reader against the reference package, on mutated files.

    safetensors_check.py [CASES] [SEED]

The program that asks ours is built from safetensors_probe.c, under the sanitizers. Both must take or refuse each file, for the same
class of reason; accepted files must give the same tensors. The differences allowed are the hardening
that EXTRA lists, and only where the message says so.
"""
import collections, json, os, pathlib, random, re, struct, subprocess, sys, tempfile

import safetensors

# What our message says -> the reference's error. The order of the checks is the reference's.
CLASSES = [
    (r"at least 8 bytes", "header too small"),
    (r"header: expected a length of at most", "header too large"),
    (r"header: expected \d+ bytes, found \d+: the file was cut", "invalid header length"),
    (r"header: expected UTF-8", "invalid UTF-8 in header"),
    (r"data_offsets: expected to (begin at|end after)", "invalid offset for tensor"),
    (r"expected a size that fits", "overflow computing buffer size"),
    (r"expected whole bytes", "The slice is slicing for subbytes"),
    (r"expected \d+ bytes for", "invalid shape, data type, or offset"),
    (r"expected \d+ bytes of data, found", "incomplete metadata, file not fully covered"),
    (r"", "invalid JSON in header"),
]
# Hardening: refused by us alone.
EXTRA = [
    (r"expected (the name|the key|it) once", "a name, a key or a field twice"),
    (r"at most 8 dimensions", "rank"),
    (r"dimensions below 2\^63", "dimension beyond int64"),
    (r"U\+0000", "U+0000 in a text"),
    (r"levels of nesting", "nesting"),
    (r"tensor \".*\": expected an object, found an array", "a tensor written as an array"),
    (r"dtype: expected a string, found an object", "a dtype written as an object"),
]
DTYPES = ("BOOL F4 F6_E2M3 F6_E3M2 U8 I8 F8_E5M2 F8_E4M3 F8_E8M0 F8_E4M3FNUZ F8_E5M2FNUZ "
          "I16 U16 F16 BF16 I32 U32 F32 C64 F64 I64 U64").split()
BITS = {"BOOL": 8, "F4": 4, "F6_E2M3": 6, "F6_E3M2": 6, "C64": 64}
ODD = ["0", "-0", "-1", "1.0", "1e0", "1E2", "00", "01", "null", "true", "\"1\"", "[]", "{}", "NaN", "Infinity",
       "18446744073709551615", "18446744073709551616", "9223372036854775807", "9223372036854775808",
       "4611686018427387904", "4294967296", "1e400", "1" * 400, "0.0", "2", "3", "\"\\ud800\"", "\"\\u0000\""]


def bits(dtype):
    return BITS.get(dtype) or (8 if dtype.startswith("F8") else int(re.search(r"\d+", dtype)[0]))


def file_of(header, data, length=None):
    header = header if isinstance(header, bytes) else header.encode()
    return struct.pack("<Q", len(header) if length is None else length) + header + data


def good(rng):
    """A valid list of [name, dtype, shape, begin, end], its metadata and data."""
    tensors, at = [], 0
    for i in range(rng.choice([0, 1, 1, 2, 3, 5])):
        dtype = rng.choice(DTYPES)
        shape = [rng.choice([0, 1, 2, 3, 4, 8]) for _ in range(rng.randrange(5))]
        count = 1
        for n in shape:
            count *= n
        if count * bits(dtype) % 8:
            shape, count = shape + [8], count * 8
        end = at + count * bits(dtype) // 8
        tensors.append([rng.choice(["", "w.", "ü", "a/b ", "\\n", "__"]) + str(i), dtype, shape, at, end])
        at = end
    rng.shuffle(tensors)
    metadata = rng.choice([None, "null", "{}", '{"format":"pt"}', '{"a":"b","c":"\\u00e9"}'])
    return tensors, metadata, rng.randbytes(at)


def text_of(tensors, metadata, rng):
    space = rng.choice(["", "", " ", "\n\t"])
    parts = []
    for name, dtype, shape, begin, end in tensors:
        fields = [f'"dtype":{json.dumps(dtype) if isinstance(dtype, str) else dtype[0]}',
                  f'"shape":{json.dumps(shape) if isinstance(shape, list) else shape}',
                  f'"data_offsets":{space}[{begin},{end}]']
        rng.shuffle(fields)
        parts.append(f'"{name}":{space}{{{(space + "," + space).join(fields)}}}')
    if metadata is not None:
        parts.insert(rng.randrange(len(parts) + 1), f'"__metadata__":{metadata}')
    return "{" + ",".join(parts) + "}"


def mutate_structure(tensors, metadata, data, rng):
    kind = rng.randrange(9)
    t = rng.choice(tensors) if tensors else None
    if kind == 0 and t:
        t[3] = rng.choice([t[3] + rng.choice([-1, 1, 4]), rng.choice(ODD)])
    elif kind == 1 and t:
        t[4] = rng.choice([t[4] + rng.choice([-1, 1, 4]), rng.choice(ODD)])
    elif kind == 2 and t:
        t[3], t[4] = t[4], t[3]
    elif kind == 3 and t:
        t[1] = rng.choice(DTYPES + ["f32", "F33", "", "F32 ", ("7",), ("null",), ('{"F32":null}',), ("[]",)])
    elif kind == 4 and t:
        t[2] = t[2] + [rng.choice([0, 1, 2, 1 << 32, 1 << 61, (1 << 63) - 1])] * rng.randrange(1, 10)
    elif kind == 5 and t:
        numbers = [str(n) for n in t[2]] + [rng.choice(ODD)]
        rng.shuffle(numbers)
        t[2] = rng.choice(["[" + ",".join(numbers) + "]", rng.choice(ODD), "[1,]"])
    elif kind == 6 and t:
        tensors.append(list(t))
    elif kind == 7:
        metadata = rng.choice(['{"a":1}', "[]", '"x"', '{"a":null}', '{"a":"b","a":"c"}', "{,}", "0", '{"a":{}}'])
    elif kind == 8 and t:
        t[4] = rng.choice([f"{t[4]},1", "", f"{t[4]},", f"{t[4]}]"])
    return tensors, metadata, data


def mutate_text(text, rng):
    kind = rng.randrange(9)
    if kind == 0:
        return rng.choice([" ", "\n", "\t\r", "\f", "\ufeff", "x"]) + text
    if kind == 1:
        return text + rng.choice([" " * 7, "\n", "}", "x", "\0", ",", "null"])
    if kind == 2:
        return text.replace('"dtype":', rng.choice(['"DTYPE":', '"x":[1,{"y":[]}],"dtype":', '"dtype":"F32","dtype":',
                            '"x":1e999,"dtype":', '"x":"\\ud800","dtype":', '"x":1,"x":2,"dtype":',
                            '"x":' + "[" * 100 + "]" * 100 + ',"dtype":', '"x":' + "[" * 200 + "]" * 200 + ',"dtype":']),
                            1)
    if kind == 3:
        at = rng.randrange(len(text) + 1)
        return text[:at] + rng.choice(list('{}[],:"\\ 0-1.e') + ["\\u12", "\\ud834\\udd1e", "\x01", "\x7f", "é"]) + text[at:]
    if kind == 4:
        at = rng.randrange(len(text) + 1)
        return text[:at] + text[at + rng.randrange(1, 4):]
    if kind == 5:
        return rng.choice(["", "{", "[]", "null", '"x"', "1", "{} {}", "{}{", '{"a":{}}', '{"a":null}', '{"a":[]}',
                           '{"a":["U8",[0],[0,0]]}', '{"__metadata__":{},"__metadata__":{}}'])
    if kind == 6:
        return text.replace('"shape":', '"shap":', 1)
    if kind == 7:
        return text.replace('"data_offsets":', rng.choice(['"data_offset":', '"data_offsets":[0,0],"data_offsets":']), 1)
    return text


def mutate_bytes(blob, rng):
    blob = bytearray(blob)
    kind = rng.randrange(6)
    if kind == 0:
        for _ in range(rng.choice([1, 1, 2, 5])):
            blob[rng.randrange(len(blob))] ^= 1 << rng.randrange(8)
    elif kind == 1:
        blob[rng.randrange(len(blob))] = rng.randrange(256)
    elif kind == 2:
        del blob[rng.randrange(len(blob) + 1):]
    elif kind == 3:
        blob += rng.randbytes(rng.choice([1, 4, 8]))
    elif kind == 4:
        n = rng.choice([0, 1, 7, 8, 100_000_000, 100_000_001, (1 << 64) - 1, (1 << 64) - 8, 1 << 63, len(blob) - 8,
                        len(blob) - 7, len(blob)])
        blob[:8] = struct.pack("<Q", n)
    else:
        at = rng.randrange(8, len(blob) + 1)
        blob[at:at] = rng.choice([b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\0", b"\xf5", b"\xe2\x82"])
    return bytes(blob)


def case(rng):
    tensors, metadata, data = good(rng)
    level = rng.randrange(8)
    if level in (1, 2, 3):
        tensors, metadata, data = mutate_structure(tensors, metadata, data, rng)
    text = text_of(tensors, metadata, rng)
    if level in (4, 5):
        text = mutate_text(text, rng)
    blob = file_of(text, data)
    return mutate_bytes(blob, rng) if level in (6, 7) else blob


def fixed():
    """What random mutation seldom meets."""
    one = '{"a":{"dtype":"%s","shape":%s,"data_offsets":[0,%s]}}'
    yield b""
    yield b"\0" * 8
    yield file_of("{}", b"")
    yield file_of("{}", b"x")
    yield file_of("{}" + " " * (100_000_000 - 2), b"")
    yield file_of("{}" + " " * (100_000_000 - 1), b"")
    for depth in range(120, 134):  # of the deepest array
        yield file_of('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0],"x":' + "[" * (depth - 2) + "]" * (depth - 2)
                      + "}}", b"")
    for dtype in DTYPES:
        for n in range(9):
            yield file_of(one % (dtype, f"[{n}]", n * bits(dtype) // 8), bytes(n * bits(dtype) // 8))
    for shape in ("[0,4611686018427387904,8]", "[4611686018427387904,8,0]", "[9223372036854775808,0]",
                  "[0,18446744073709551615]", "[18446744073709551615,18446744073709551615,0]", "[]", "[0]"):
        yield file_of(one % ("F32", shape, 0), b"")
    for rank in range(12):
        yield file_of(one % ("U8", json.dumps([1] * rank), 1), b"x")


def reference(blob):
    try:
        tensors = safetensors.deserialize(blob)
    except Exception as error:
        return str(error), None
    names = sorted(tensors, key=lambda item: item[0].encode())
    lines = []
    for _, t in names:
        checksum = 0
        for byte in t["data"]:
            checksum = (checksum * 31 + byte) & 0xFFFFFFFF
        lines.append(f"{t['dtype']} [{', '.join(map(str, t['shape']))}] {len(t['data'])} {checksum}")
    return None, lines


def excusable(answer, error):
    """Two differences that are no fault: the reference nests arrays 127 deep, we 128; and of two tensors
    with equal offsets the reference checks first what its hash table gives first."""
    if answer.startswith("accept"):
        return error is not None and "recursion limit exceeded" in error
    ties = ("invalid offset for tensor", "invalid shape, data type, or offset", "The slice is slicing")
    return bool(error) and any(t in error for t in ties) and bool(
        re.search(r"tensor \".*\": (data_offsets: expected to begin at|expected \d+ bytes for|expected whole bytes)",
                  answer))


def build_probe(folder):
    root = pathlib.Path(__file__).resolve().parents[2]
    sources = ["tests/parity/safetensors_probe.c", "lib/format/safetensors.c", "lib/format/json_reader.c",
               "lib/base/status.c", "lib/base/memory.c", "lib/base/utf8.c", "lib/base/file.c"]
    probe = os.path.join(folder, "probe")
    subprocess.run([os.environ.get("CC", "cc"), "-std=c11", "-O1", "-g", "-fsanitize=address,undefined",
                    "-fno-sanitize-recover=undefined", *(root / s for s in sources), "-o", probe, "-lm"], check=True)
    return probe


def main():
    cases = int(sys.argv[1]) if len(sys.argv) > 1 else 20000
    rng = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    counts, extra, wrong = collections.Counter(), collections.Counter(), 0
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "f")
        ours = subprocess.Popen([build_probe(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

        def check(blob):
            nonlocal wrong
            with open(path, "wb") as f:
                f.write(blob)
            ours.stdin.write(path + "\n")
            ours.stdin.flush()
            answer = ours.stdout.readline().rstrip("\n")
            error, tensors = reference(blob)
            message = answer.split("\t")[-1]
            hardening = next((what for pattern, what in EXTRA if re.search(pattern, message)), None)
            if answer.startswith("accept"):
                same = error is None and answer.split("\t")[1:] == tensors
                counts["accepted"] += 1
            elif not answer.startswith("refuse"):
                sys.exit(f"the probe ended on {blob[:500]!r}")
            elif hardening:
                same = True
                counts["refused by both" if error else "hardening"] += 1
                extra[hardening] += not error
            else:
                expected = next(text for pattern, text in CLASSES if re.search(pattern, message))
                same = error is not None and expected in error
                counts[expected] += 1
            if not same and excusable(answer, error):
                counts["excused: depth 128, or the order of equal offsets"] += 1
            elif not same:
                wrong += 1
                if wrong <= 20:
                    print(f"DIFFERS: {blob[:300]!r}\n  ours: {answer[:300]}\n  reference: {error or tensors}")

        for blob in fixed():
            check(blob)
        for _ in range(cases):
            check(case(rng))
        ours.stdin.close()
        ours.wait()
    print(f"safetensors {safetensors.__version__}: {sum(counts.values())} files, {wrong} differences")
    for name, count in sorted(counts.items()):
        print(f"  {count:7} {name}")
    print("  refused by us alone:", dict(+extra))
    return wrong > 0 or ours.returncode != 0


if __name__ == "__main__":
    sys.exit(main())
