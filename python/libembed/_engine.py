"""An open model and its sessions, called safely from any thread: one session for each call in progress, and a
call that a signal can stop."""

from __future__ import annotations

import ctypes as C
import os
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Callable, Optional, Union

import numpy as np

from . import _c
from ._errors import EmbedError, error_of
from ._load import lib

Progress = Callable[[int, int], Any]
Failed = Callable[[int, EmbedError], Any]
Work = Callable[[_c.embed_session], int]  # a session -> a status

_BATCH_TOKENS = 1024  # the library's own default


def _text(value: Optional[bytes]) -> str:
    return value.decode("utf-8", "replace") if value else ""


class _Sessions:
    """Sessions that no call uses now. Those of a parent process are left alone: their threads are not here."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self.idle: list[_c.embed_session] = []

    def take(self) -> Optional[_c.embed_session]:
        if self.pid != os.getpid():
            self.pid, self.idle = os.getpid(), []
        try:
            return self.idle.pop()
        except IndexError:
            return None

    def give(self, session: _c.embed_session, pid: int) -> None:
        if pid == os.getpid():
            self.idle.append(session)


def _close(model: _c.embed_model, sessions: _Sessions, _memory: Any) -> None:
    """_memory, which the model reads, is kept until here."""
    while (session := sessions.take()) is not None:
        lib.embed_session_free(session)
    lib.embed_model_free(model)


class _Watch:
    """The callbacks of one call. What they raise is kept, stops the call, and is raised again after it."""

    def __init__(self, progress: Optional[Progress], failed: Optional[Failed]) -> None:
        self.progress = progress
        self.failed = failed
        self.canceled = False
        self.raised: Optional[BaseException] = None

    def on_progress(self, _user: Any, done: int, total: int) -> int:
        try:
            if self.progress and not self.canceled:
                self.progress(done, total)
        except BaseException as error:  # goes through C: raised again by the caller
            self.raised, self.canceled = error, True
        return int(self.canceled)

    def on_failed(self, _user: Any, index: int, status: int, message: bytes) -> int:
        try:
            if self.failed:
                self.failed(index, error_of(status, _text(message)))
            return 0
        except BaseException as error:
            self.raised = error
            return status

    def fill(self, options: _c.embed_encode_options) -> None:
        options.progress = _c.embed_progress_fn(self.on_progress)
        if self.failed:
            options.failed = _c.embed_failed_fn(self.on_failed)


class Engine:
    """The C handles of a model."""

    def __init__(
        self,
        source: Union[str, memoryview],
        open_options: _c.embed_open_options,
        session_options: _c.embed_session_options,
    ) -> None:
        model, error = _c.embed_model(), _c.embed_error(C.sizeof(_c.embed_error))
        memory = None
        if isinstance(source, str):
            status = lib.embed_model_open(
                os.fsencode(source), C.byref(open_options), C.byref(model), C.byref(error)
            )
        else:
            memory = np.frombuffer(source, np.uint8)
            status = lib.embed_model_open_memory(
                memory.ctypes.data,
                memory.size,
                C.byref(open_options),
                C.byref(model),
                C.byref(error),
            )
        if status < 0:
            raise error_of(status, _text(error.message))
        self.model = model
        self._session_options = session_options
        self._sessions = _Sessions()
        close = weakref.finalize(self, _close, model, self._sessions, memory)
        close.atexit = False

    def info(self, what: int) -> int:
        return int(lib.embed_model_info(self.model, what))

    def _create(self) -> _c.embed_session:
        session, error = _c.embed_session(), _c.embed_error(C.sizeof(_c.embed_error))
        status = lib.embed_session_create(
            self.model, C.byref(self._session_options), C.byref(session), C.byref(error)
        )
        if status < 0:
            raise error_of(status, _text(error.message))
        return session

    @contextmanager
    def session(self) -> Iterator[_c.embed_session]:
        """A session for this caller alone."""
        session, pid = self._sessions.take() or self._create(), os.getpid()
        try:
            yield session
        finally:
            self._sessions.give(session, pid)

    def check(self, session: _c.embed_session, status: int) -> int:
        if status < 0:
            raise error_of(status, _text(lib.embed_session_error(session)))
        return status

    def run(
        self,
        work: Work,
        options: _c.embed_encode_options,
        weight: int,
        progress: Optional[Progress] = None,
        failed: Optional[Failed] = None,
    ) -> None:
        """weight: about how many tokens, which tells a short call from a long one."""
        watch = _Watch(progress, failed)

        def call() -> None:
            with self.session() as session:
                status = work(session)
                if watch.raised:
                    raise watch.raised
                self.check(session, status)

        passes = weight > (self._session_options.batch_tokens or _BATCH_TOKENS)
        main = threading.current_thread() is threading.main_thread()
        called_back = bool(progress or failed)
        if called_back or (main and passes):
            watch.fill(options)
        if main and (passes or called_back):
            _call_beside(call, watch)
        else:
            call()


def _call_beside(call: Callable[[], None], watch: _Watch) -> None:
    """Python runs signal handlers in the main thread alone, and what they raise inside of a callback is lost.
    So a long call goes to a thread of its own, and the main thread waits for it, or stops it."""
    done = threading.Event()
    raised: list[BaseException] = []

    def body() -> None:
        try:
            call()
        except BaseException as error:
            raised.append(error)
        finally:
            done.set()

    threading.Thread(target=body, name="libembed").start()
    try:
        done.wait()
    except BaseException:
        watch.canceled = True
        done.wait()
        raise
    if raised:
        raise raised[0]
