"""Hands the `one_input` of a module here to atheris, which then runs until it finds something or its time is over."""

from __future__ import annotations

import sys
from importlib import import_module

try:
    import atheris
except ImportError:
    sys.exit("atheris is not installed: pip install 'mailframe[fuzz]'")

FUZZERS = ("message", "command", "smtp")


def main(arguments: list[str]) -> None:
    """Never returns: libFuzzer ends the process. What follows the fuzzer's name is for libFuzzer."""
    if not arguments or arguments[0] not in FUZZERS:
        sys.exit(f"which one? {', '.join(FUZZERS)}")
    with atheris.instrument_imports(include=["mailframe"]):
        one_input = import_module(f"fuzz.{arguments[0]}").one_input
    atheris.Setup([f"fuzz {arguments[0]}", *arguments[1:]], one_input)
    atheris.Fuzz()


main(sys.argv[1:])
