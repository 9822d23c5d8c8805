"""Ctrl-C and other signals stop a long call promptly, as Python's own exceptions, and the model goes on."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from test_plain import load, texts

from libembed._engine import Engine

PROGRAM = """
import signal, sys, time, warnings
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have it ignored
sys.path.insert(0, {tests!r})
from test_plain import load, texts
from libembed._engine import Engine
model = load("bert", batch_tokens=64, isa="c")
some = model.encode(texts())
many = texts() * 200_000
run = Engine.run
def told(*arguments):
    print("ready", flush=True)  # the library itself is next
    run(*arguments)
Engine.run = told
try:
    {call}
except KeyboardInterrupt:
    print("stopped", flush=True)
Engine.run = run
assert (model.encode(texts()) == some).all()
print("works", flush=True)
"""


@pytest.mark.parametrize(
    "call",
    [
        "model.encode(many)",
        "model.encode(many, show_progress_bar=True)",
        "model.encode(many, output_value='token_embeddings')",
        "model.last_hidden_state(many)",
        "model.encode(many, failed=lambda *_: None)",
    ],
)
def test_ctrl_c(call: str) -> None:
    program = PROGRAM.format(tests=str(Path(__file__).parent), call=call)
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout and process.stdout.readline() == "ready\n"
    time.sleep(0.5)
    assert process.poll() is None, "ended before it could be stopped"
    process.send_signal(signal.SIGINT)
    start = time.monotonic()
    lines = iter(process.stdout.readline, "ready\n")
    assert next(lines) == "stopped\n"
    assert time.monotonic() - start < 2
    assert next(lines) == "works\n"
    assert process.wait() == 0


class TimeIsUp(Exception):
    pass


def test_a_handler_that_raises(monkeypatch: pytest.MonkeyPatch) -> None:
    def handler(*_: object) -> None:
        raise TimeIsUp

    def run_for_a_while(*arguments: Any) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        run(*arguments)

    model, run = load("bert", batch_tokens=64, isa="c"), Engine.run
    before = signal.signal(signal.SIGALRM, handler)
    try:
        many = texts() * 100_000
        monkeypatch.setattr(Engine, "run", run_for_a_while)
        for _ in range(3):
            with pytest.raises(TimeIsUp):
                model.encode(many)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    monkeypatch.undo()
    assert np.isfinite(model.encode("bu")).all()


def test_the_gil_is_released() -> None:
    """Another thread counts on while this one encodes."""
    import threading

    model = load("bert", batch_tokens=0)
    inputs = texts() * 20_000
    stop, beats = threading.Event(), 0

    def beat() -> None:
        nonlocal beats
        while not stop.wait(0.01):
            beats += 1

    thread = threading.Thread(target=beat)
    thread.start()
    start = time.monotonic()
    model.encode(inputs)
    seconds = time.monotonic() - start
    stop.set()
    thread.join()
    assert beats > 20 * seconds, f"{beats} beats in {seconds:.1f} s"
