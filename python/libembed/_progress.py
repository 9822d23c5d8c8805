"""A progress bar, and when it is shown."""

from __future__ import annotations

import logging
import sys
import time
from typing import Optional

from ._engine import Progress

logger = logging.getLogger("libembed")


class Bar:
    """A progress bar on standard error."""

    def __init__(self, progress: Optional[Progress]) -> None:
        self.also = progress
        self.start = time.monotonic()

    def __call__(self, done: int, total: int) -> None:
        width = 30 * done // max(total, 1)
        seconds = time.monotonic() - self.start
        line = f"\r|{'#' * width:<30}| {done}/{total} in {seconds:.0f} s"
        print(line, end="\n" if done == total else "", file=sys.stderr, flush=True)
        if self.also:
            self.also(done, total)


def shows_progress(wanted: Optional[bool]) -> bool:
    """None: where the logger "libembed" is at INFO or DEBUG, as in the reference."""
    return logger.getEffectiveLevel() in (logging.INFO, logging.DEBUG) if wanted is None else wanted
