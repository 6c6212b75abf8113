"""How far a long command is: a bar on a terminal (rich's where it is installed), lines otherwise."""

from __future__ import annotations

import importlib
import importlib.util
import shutil
import sys
import time
from collections.abc import Mapping
from typing import Any, Protocol, TextIO

_WORDS = {"listing": "Looking through", "copying": "Copying", "verifying": "Comparing"}
_ENDS = ("found", "counted")        # of a dry run: each folder's line stays
_LINE_EVERY_S = 10.0


class Display(Protocol):
    """Shows pieces of news, each {"phase", "folder", "done", "total", "octets"}."""

    def show(self, news: Mapping[str, Any]) -> None: ...

    def end(self) -> None: ...


def display(stream: TextIO) -> Display:
    """What suits `stream`."""
    if not stream.isatty():
        return Lines(stream)
    return RichBar() if stream is sys.stderr and importlib.util.find_spec("rich") else Bar(stream)


class Lines:
    """A line when a folder is begun and when it is done, and now and then in between."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._about: tuple[str, str] | None = None
        self._last = 0.0
        self._said = ""

    def show(self, news: Mapping[str, Any]) -> None:
        about, now = (news["phase"], news["folder"]), time.monotonic()
        begun = about != self._about and news["total"] > 0      # of an unknown number the first few say nothing
        if begun or now - self._last >= _LINE_EVERY_S or news["done"] == news["total"]:
            self._last = now
            if (line := words(news)) != self._said:
                self._said = line
                print(line, file=self._stream, flush=True)
        self._about = about

    def end(self) -> None:
        """Nothing is left open."""


class Bar:
    """One line that is written over."""

    _WIDTH = 24

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._open = False

    def show(self, news: Mapping[str, Any]) -> None:
        filled = self._WIDTH * news["done"] // news["total"] if news["total"] else 0
        line = f"[{'#' * filled}{'.' * (self._WIDTH - filled)}] {words(news)}"
        self._stream.write("\r\x1b[K" + line[:shutil.get_terminal_size().columns - 1])
        self._stream.flush()
        self._open = True
        if news["phase"] in _ENDS:
            self.end()

    def end(self) -> None:
        if self._open:
            self._stream.write("\n")
            self._open = False


class RichBar:
    """rich's progress bar."""

    def __init__(self) -> None:
        rich: Any = importlib.import_module("rich.progress")
        self._bars: Any = rich.Progress(
            rich.TextColumn("{task.description}", markup=False), rich.BarColumn(), rich.MofNCompleteColumn(),
            rich.TimeRemainingColumn(), console=importlib.import_module("rich.console").Console(stderr=True))
        self._task: Any = None
        self._about: tuple[str, str] | None = None
        self._bars.start()

    def show(self, news: Mapping[str, Any]) -> None:
        about = (news["phase"], news["folder"])
        if about != self._about:
            if self._task is not None and news["phase"] not in _ENDS:
                self._bars.remove_task(self._task)
            self._about = about
            self._task = self._bars.add_task(_title(news), total=news["total"] or None)
        self._bars.update(self._task, completed=news["done"], total=news["total"] or None)

    def end(self) -> None:
        self._bars.stop()


def words(news: Mapping[str, Any]) -> str:
    """``Copying INBOX: 120 of 300``."""
    if news["phase"] == "counted":
        return f"{_printable(news['folder'])}: {news['total']} messages"
    if news["phase"] == "found":
        return f"{_printable(news['folder'])}: {news['total']} messages, of which {news['done']} are here already"
    return f"{_title(news)}: {news['done']}" + (f" of {news['total']}" if news["total"] else "")


def _title(news: Mapping[str, Any]) -> str:
    return f"{_WORDS.get(news['phase'], news['phase'])} {_printable(news['folder'])}"


def _printable(folder: str) -> str:
    """No name moves a terminal's cursor."""
    return "".join(character if character.isprintable() else "?" for character in folder)


def octets(number: int) -> str:
    """``3.4 MB``."""
    size = float(number)
    for unit in ("octets", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "octets" else f"{size:.1f} {unit}"
        size /= 1000
    return str(number)


