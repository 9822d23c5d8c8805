"""Compares libembed/_c.py with include/embed.h: every number, struct and function. Needs a C compiler and
Python alone, no NumPy and no built library.

    python3 python/tests/abi.py [HEADER]
"""

from __future__ import annotations

import ctypes as C
import importlib.util
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from types import ModuleType
from typing import Any

PYTHON = Path(__file__).resolve().parent.parent
HEADER = PYTHON.parent / "include" / "embed.h"

SCALARS = {
    "void": None,
    "int32_t": C.c_int32,
    "uint32_t": C.c_uint32,
    "int64_t": C.c_int64,
    "size_t": C.c_size_t,
    "float": C.c_float,
    "double": C.c_double,
    "char *": C.c_char_p,
    "char *const *": C.POINTER(C.c_char_p),
    "size_t *": C.POINTER(C.c_size_t),
    "void *": C.c_void_p,
    "float *": C.c_void_p,
    "int32_t *": C.c_void_p,
    "int64_t *": C.c_void_p,
}


def declarations() -> ModuleType:
    """libembed/_c.py alone: the package around it needs NumPy and the library."""
    spec = importlib.util.spec_from_file_location("_c", PYTHON / "libembed" / "_c.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Header:
    """The names in a header; what they are worth comes from a compiler."""

    def __init__(self, path: Path) -> None:
        self.path = path
        text = re.sub(r"/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.S)
        status_map = re.findall(r"^\s*X\((\w+), -?\d+,", text, flags=re.M)
        self.numbers = [f"EMBED_{name}" for name in status_map]
        self.numbers += re.findall(r"^#define (EMBED_\w+) \d+$", text, flags=re.M)
        text = re.sub(r"^#.*?(?<!\\)$", "", text, flags=re.M | re.S)
        text = re.sub(r"\s+", " ", text)
        for body in re.findall(r"enum \{(.*?)\}", text):
            self.numbers += re.findall(r"\b(EMBED_\w+) =", body)
        self.structs = {
            name: [self.field(f) for f in self.fields(body)]
            for body, name in re.findall(r"typedef struct \w+ \{(.*?)\} (\w+);", text)
        }
        self.handles = re.findall(r"typedef struct \w+ (\w+);", text)
        self.callbacks = {
            name: (result.strip(), self.arguments(arguments))
            for result, name, arguments in re.findall(r"typedef ([\w *]+?)\(\*(\w+)\)\((.*?)\);", text)
        }
        self.functions = {
            name: (self.type_of(result + " x"), self.arguments(arguments))
            for result, name, arguments in re.findall(r"EMBED_API ([\w *]+?)(\w+)\((.*?)\);", text)
        }

    @staticmethod
    def fields(body: str) -> list[str]:
        """One declaration each: "int32_t width, height" is two."""
        result = []
        for line in filter(str.strip, body.split(";")):
            first, *others = line.strip().split(",")
            base = re.sub(r"[\w\[\]]+$", "", first)
            result += [first] + [base + other.strip() for other in others]
        return result

    @classmethod
    def field(cls, declaration: str) -> tuple[str, str]:
        name = re.search(r"(\w+)(\[\d+\])?$", declaration)
        assert name, declaration
        return name.group(1), cls.type_of(declaration) + (name.group(2) or "")

    @staticmethod
    def type_of(declaration: str) -> str:
        """The type of a declared name, without its outer consts: "char *const *"."""
        found = re.match(r"\s*(?:const )?(\w+) ?(\*(?:const )?\*?|)", declaration)
        assert found, declaration
        return (found.group(1) + " " + found.group(2)).strip()

    @classmethod
    def arguments(cls, text: str) -> list[str]:
        return [] if text.strip() == "void" else [cls.type_of(a) for a in text.split(",")]

    def compiled(self) -> dict[str, int]:
        """Numbers, and the size and offset of every field, as the C compiler has them."""
        lines = [f'printf("{n} %lld\\n", (long long)({n}));' for n in self.numbers]
        for struct, fields in self.structs.items():
            lines.append(f'printf("{struct} %zu\\n", sizeof({struct}));')
            for name, _ in fields:
                lines.append(f'printf("{struct}.{name} %zu\\n", offsetof({struct}, {name}));')
                lines.append(f'printf("sizeof {struct}.{name} %zu\\n", sizeof((({struct} *)0)->{name}));')
        with tempfile.TemporaryDirectory() as folder:
            source, program = Path(folder, "abi.c"), Path(folder, "abi")
            source.write_text(
                f'#include <stdio.h>\n#include "{self.path}"\n'
                "int main(void)\n{\n" + "\n".join(lines) + "\nreturn 0;\n}\n"
            )
            cc = os.environ.get("CC", "cc").split()
            subprocess.run([*cc, str(source), "-o", str(program)], check=True)
            output = subprocess.run([str(program)], check=True, capture_output=True, text=True)
        return {n: int(v) for n, v in (x.rsplit(" ", 1) for x in output.stdout.splitlines())}


def differences(path: Path = HEADER) -> list[str]:
    """One sentence for each thing in which the binding is not the header."""
    c, header = declarations(), Header(path)
    wrong: list[str] = []

    def same(what: str, expected: object, found: object) -> None:
        if expected != found:
            wrong.append(f"{what}: the header has {expected}, _c.py has {found}")

    def mirror(ctype: str) -> object:
        array = re.fullmatch(r"(\w+)\[(\d+)\]", ctype)
        if array:
            element = C.c_char if array.group(1) == "char" else SCALARS[array.group(1)]
            return element * int(array.group(2))  # type: ignore[operator]
        if ctype in SCALARS:
            return SCALARS[ctype]
        name = ctype.rstrip("* ")
        if name in header.handles:
            return C.POINTER(C.c_void_p) if ctype.endswith("**") else C.c_void_p
        known: Any = getattr(c, name, None)
        return C.POINTER(known) if name in header.structs else known

    for name, value in header.compiled().items():
        if name.startswith("EMBED_"):
            same(name, value, getattr(c, name, "nothing"))
            continue
        struct, _, field = name.replace("sizeof ", "").partition(".")
        ours = getattr(c, struct, None)
        if ours is None or (field and not hasattr(ours, field)):
            wrong.append(f"{struct}.{field}: missing in _c.py")
        elif not field:
            same(f"sizeof({struct})", value, C.sizeof(ours))
        else:
            descriptor = getattr(ours, field)
            attribute = "size" if name.startswith("sizeof") else "offset"
            same(f"{attribute} of {struct}.{field}", value, getattr(descriptor, attribute))

    for struct, fields in header.structs.items():
        ours = getattr(c, struct, None)
        if ours is not None:
            types = dict(ours._fields_)
            for name, ctype in fields:
                same(f"{struct}.{name}", mirror(ctype), types.get(name))
            same(f"fields of {struct}", [name for name, _ in fields], list(types))

    for name, (result, arguments) in header.callbacks.items():
        ours = getattr(c, name, None)
        signature = (mirror(result), tuple(mirror(a) for a in arguments))
        same(name, signature, ours and (ours._restype_, ours._argtypes_))

    for name, (result, arguments) in header.functions.items():
        if name not in c.FUNCTIONS:
            wrong.append(f"{name}: missing in _c.py")
            continue
        found = c.FUNCTIONS[name]
        same(f"result of {name}", mirror(result), found[0])
        same(f"arguments of {name}", [mirror(a) for a in arguments], found[1])

    numbers = [n for n in vars(c) if re.match(r"EMBED_[A-Z0-9_]+$", n) and n != "EMBED_LAYER"]
    for name in {*numbers, *c.FUNCTIONS} - {*header.numbers, *header.functions}:
        wrong.append(f"{name}: not in the header")
    if not (header.functions and header.structs and header.callbacks and header.handles):
        wrong.append(f"{path}: not understood")
    return wrong


if __name__ == "__main__":
    found = differences(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else HEADER)
    print("\n".join(found) or "_c.py is embed.h")
    sys.exit(bool(found))
