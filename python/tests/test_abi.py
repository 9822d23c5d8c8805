"""libembed/_c.py is include/embed.h."""

from __future__ import annotations

import shutil

import pytest
from abi import differences


@pytest.mark.skipif(not shutil.which("cc"), reason="no C compiler")
def test_the_binding_is_the_header() -> None:
    assert differences() == []
