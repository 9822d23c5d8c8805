"""Drives the `embed` command, the library's face in these checks."""
import json
import os
import subprocess
import tempfile
from pathlib import Path

import numpy as np

EMBED = os.environ.get("EMBED", "build/release/embed")


class CommandError(Exception):
    """The command failed; the message is what it printed on stderr."""


def build_probe(name, folder):
    """The path of tests/parity/NAME.c, linked with the libembed.a beside the command: the inside without an option."""
    program = os.path.join(folder, name)
    archive = Path(os.path.realpath(EMBED)).parent / "libembed.a"
    subprocess.check_call(["cc", "-std=gnu11", "-O2", "-o", program, Path(__file__).with_name(name + ".c"), archive,
                           "-lcjson", "-lpthread", "-ldl", "-lm"])
    return program


def flags(options):
    """Keyword arguments as command-line options: no_normalize=True -> --no-normalize."""
    out = []
    for name, value in options.items():
        option = "--" + name.replace("_", "-")
        if value is True:
            out.append(option)
        elif value is not None and value is not False:
            out += [option, str(value)]
    return out


def run(*arguments, stdin=None):
    """Run the command; returns its standard output as bytes."""
    done = subprocess.run([EMBED, *map(str, arguments)], input=stdin, capture_output=True)
    if done.returncode != 0:
        text = done.stderr.decode(errors="replace").strip()
        raise CommandError(f"embed {' '.join(map(str, arguments))}: exit {done.returncode}: {text}")
    return done.stdout


def instruction_sets():
    """Those of this build that this CPU has, worst first: embed --version's "isa=b built=a,b,c"."""
    words = dict(word.split("=", 1) for word in run("--version").decode().split() if "=" in word)
    built = words["built"].split(",")
    return built[: built.index(words["isa"]) + 1]


def run_to_array(*arguments, stdin=None):
    """Run a command with -o to a .npy file and load that."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out.npy"
        run(*arguments, "-o", out, stdin=stdin)
        return np.load(out)


def null_ended(texts):
    """Texts as standard input of --null: any byte but NUL may stand in them."""
    return b"".join(text.encode() + b"\0" for text in texts)


def text(model, texts, **options):
    """embed text: vectors of texts, or of pairs with pair=True (then "a\\tb")."""
    return run_to_array("text", "-m", model, "--null", *flags(options), stdin=null_ended(texts))


def hidden_of_texts(model, texts, **options):
    """embed hidden of texts: (texts, longest, hidden)."""
    return run_to_array("hidden", "-m", model, "--null", *flags(options), stdin=null_ended(texts))


def hidden(model, inputs, **options):
    """embed hidden --ids: a list of [tokens][hidden], one for each list of ids. Checks that rows past
    an input's own tokens are zero."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "ids.jsonl"
        file.write_text("".join(json.dumps(list(map(int, ids))) + "\n" for ids in inputs))
        array = run_to_array("hidden", "-m", model, "--ids", file, *flags(options))
    assert array.dtype == np.float32 and array.shape[:2] == (len(inputs), max(map(len, inputs)))
    for row, ids in enumerate(inputs):
        assert not array[row, len(ids) :].any(), "rows past the tokens of a text are not zero"
    return [array[row, : len(ids)] for row, ids in enumerate(inputs)]


def tokens(model, texts, **options):
    """embed tokens: one dictionary a text."""
    lines = run("tokens", "-m", model, "--null", *flags(options), stdin=null_ended(texts))
    return [json.loads(line) for line in lines.decode().splitlines()]
