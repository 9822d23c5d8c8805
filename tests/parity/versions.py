"""Prints the versions of the reference libraries, and warns of one that is not the pinned one."""
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def main():
    """One line for each requirement; the exit status is 0 even for another version."""
    pins = Path(__file__).with_name("requirements.txt").read_text().splitlines()
    print(f"python {sys.version.split()[0]}")
    for pin in pins:
        if pin.startswith("#") or "==" not in pin:
            continue
        name, wanted = pin.split("==")
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "is not there"
        note = "" if found.split("+")[0] == wanted else f"  (pinned: {wanted})"
        print(f"{name} {found}{note}")


if __name__ == "__main__":
    main()
