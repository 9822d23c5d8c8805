"""Builds the shared library by the repository's Makefile and puts it into the package.

The sources are those of the repository around this folder, or native/ in a source distribution. LIBEMBED_MAKE
holds more arguments for make: LIBEMBED_MAKE="JPEG=stb BLAS=none".
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Distribution, setup
from setuptools.command.build_py import build_py
from setuptools.command.sdist import sdist

try:
    from setuptools.command.bdist_wheel import bdist_wheel
except ImportError:  # before setuptools 70
    from wheel.bdist_wheel import bdist_wheel

HERE = Path(__file__).resolve().parent
NATIVE = HERE / "native" if (HERE / "native").is_dir() else HERE.parent
SOURCES = ["Makefile", "LICENSE", "NOTICE", "include", "lib"]
NAME = "libembed.0.dylib" if sys.platform == "darwin" else "libembed.so.0"


def version() -> str:
    header = (NATIVE / "include" / "embed.h").read_text(encoding="utf-8")
    return ".".join(re.findall(r"^#define EMBED_VERSION_(?:MAJOR|MINOR|PATCH) (\d+)", header, re.M))


class BuildWithLibrary(build_py):
    """The package's files, the library, and the licences of both."""

    def run(self) -> None:
        super().run()
        editable = getattr(self, "editable_mode", False)
        package = HERE / "libembed" if editable else Path(self.build_lib) / "libembed"
        environment = dict(os.environ)
        if sys.platform != "darwin":
            environment["LDFLAGS"] = environment.get("LDFLAGS", "") + " -Wl,-s"
        more = shlex.split(environment.pop("LIBEMBED_MAKE", ""))
        build = Path(self.get_finalized_command("build").build_temp, "native", *more).resolve()
        subprocess.run(
            ["make", f"-j{os.cpu_count() or 1}", f"BUILD={build}", "shared", *more],
            cwd=NATIVE,
            env=environment,
            check=True,
        )
        shutil.copy(build / NAME, package / NAME)
        for licence in ("LICENSE", "NOTICE"):
            shutil.copy(NATIVE / licence, package / licence)


class SdistWithSources(sdist):
    """What the library is built from, as native/."""

    def make_release_tree(self, base_dir: str, files: list[str]) -> None:
        super().make_release_tree(base_dir, files)
        native = Path(base_dir, "native")
        native.mkdir(exist_ok=True)
        for name in SOURCES:
            if (NATIVE / name).is_dir():
                shutil.copytree(NATIVE / name, native / name, dirs_exist_ok=True)
            else:
                shutil.copy(NATIVE / name, native / name)


class WheelForPlatform(bdist_wheel):
    """Any Python 3, this platform: the library knows no Python."""

    def get_tag(self) -> tuple[str, str, str]:
        return "py3", "none", super().get_tag()[2]


class BinaryDistribution(Distribution):
    def has_ext_modules(self) -> bool:
        return True


setup(
    version=version(),
    distclass=BinaryDistribution,
    cmdclass={
        "build_py": BuildWithLibrary,
        "sdist": SdistWithSources,
        "bdist_wheel": WheelForPlatform,
    },
)
