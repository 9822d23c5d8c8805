"""The library through include/embed.h, as the benchmarks of this folder call it: each method gives a function
that makes one call and returns its array."""
import ctypes
import os
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2] / "python"))


def pointer(array):
    return ctypes.c_void_p(array.ctypes.data)


class Ours:
    """A model and a session of the library."""

    def __init__(self, library, path, threads, weights="f32"):
        os.environ["LIBEMBED_LIBRARY"] = os.path.abspath(library)
        from libembed import _c
        from libembed._load import lib

        self.c, self.lib = _c, lib
        self.model, self.session = ctypes.c_void_p(), ctypes.c_void_p()
        opening = _c.embed_open_options(struct_size=ctypes.sizeof(_c.embed_open_options),
                                        weights=getattr(_c, f"EMBED_WEIGHTS_{weights.upper()}"))
        options = _c.embed_session_options(struct_size=ctypes.sizeof(_c.embed_session_options), threads=threads)
        self._check(lib.embed_model_open(str(path).encode(), ctypes.byref(opening), ctypes.byref(self.model), None))
        self._check(lib.embed_session_create(self.model, ctypes.byref(options), ctypes.byref(self.session), None))
        self.hidden_size = lib.embed_model_info(self.model, _c.EMBED_INFO_HIDDEN_SIZE)
        self.dim = lib.embed_output_dim(self.model, None)

    def close(self):
        self.lib.embed_session_free(self.session)
        self.lib.embed_model_free(self.model)

    def _check(self, status):
        if status < 0:
            said = self.lib.embed_session_error(self.session) if self.session else b""
            raise RuntimeError((said or self.lib.embed_status_string(status)).decode())

    def _input(self, count, **fields):
        return self.c.embed_input(struct_size=ctypes.sizeof(self.c.embed_input), count=count, **fields)

    def _images(self, images):
        images = (self.c.embed_image * len(images))(*images)
        return self._input(len(images), images=images), images

    def _files(self, paths):
        return self._images([self.c.embed_image(path=path.encode()) for path in paths])

    def _ids(self, rows):
        offsets = np.cumsum([0] + [len(row) for row in rows], dtype=np.int64)
        ids = np.concatenate(rows).astype(np.int32)
        return self._input(len(rows), ids=ids.ctypes.data, offsets=offsets.ctypes.data), (ids, offsets)

    def _encode(self, given, count):
        given, keep = given
        out = np.empty((count, self.dim), np.float32)

        def run(_keep=keep):
            self._check(self.lib.embed_encode(self.session, ctypes.byref(given), None, pointer(out), self.dim))
            return out

        return run

    def hidden(self, inputs):
        """last_hidden_state of numpy inputs as transformers takes them: (batch, tokens, hidden_size)"""
        if "pixel_values" in inputs:
            values = np.ascontiguousarray(inputs["pixel_values"], np.float32)
            given, keep = self._images([
                self.c.embed_image(data=value.ctypes.data, width=value.shape[2], height=value.shape[1],
                                   format=self.c.EMBED_IMAGE_PIXEL_VALUES) for value in values])
            keep = keep, values
            patch = self.lib.embed_model_info(self.model, self.c.EMBED_INFO_PATCH_SIZE)
            tokens = self.lib.embed_model_info(self.model, self.c.EMBED_INFO_PREFIX_TOKENS)
            tokens += (values.shape[2] // patch) * (values.shape[3] // patch)
        else:
            given, keep = self._ids(list(inputs["input_ids"]))
            tokens = inputs["input_ids"].shape[1]
        out = np.empty((given.count, tokens, self.hidden_size), np.float32)

        def run(_keep=keep):
            self._check(self.lib.embed_last_hidden_state(self.session, ctypes.byref(given), None, pointer(out),
                                                         tokens))
            return out

        return run

    def vectors_of_ids(self, rows):
        return self._encode(self._ids(rows), len(rows))

    def vectors_of_files(self, paths):
        return self._encode(self._files(paths), len(paths))

    def vectors_of_texts(self, texts):
        """Over Python strings, their encoding as UTF-8 included."""

        def run():
            encoded = [text.encode() for text in texts]
            pointers = (ctypes.c_char_p * len(texts))(*encoded)
            sizes = np.array([len(text) for text in encoded], np.int64)
            out = np.empty((len(texts), self.dim), np.float32)
            self._check(self.lib.embed_encode_texts(self.session, pointers, pointer(sizes), len(texts), None,
                                                    pointer(out), self.dim))
            return out

        return run

    def pixels_of_files(self, paths, side):
        return self._pixels(self._files(paths), side)

    def pixels_of_arrays(self, arrays, side):
        """Of decoded images, (height, width, 3) bytes each."""
        return self._pixels(self._images([
            self.c.embed_image(data=array.ctypes.data, width=array.shape[1], height=array.shape[0],
                               format=self.c.EMBED_IMAGE_RGB) for array in arrays]), side)

    def _pixels(self, images, side):
        given, keep = images
        out = np.empty((given.count, 3, side, side), np.float32)

        def run(_keep=keep):
            self._check(self.lib.embed_pixel_values(self.session, ctypes.byref(given), None, pointer(out), side, side))
            return out

        return run
