"""docs/specifications.md's tables, made from the registries and from what a running server announces.

Make them anew with: ``PYTHONPATH=tests python -m support.specifications``
"""

from __future__ import annotations

import importlib
import pkgutil
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mailframe
from mailframe.imap import builtin as imap_builtin
from mailframe.imap.settings import ImapSettings
from mailframe.pop3.extensions import EXTENSIONS as POP3_EXTENSIONS
from mailframe.sasl.registry import MECHANISMS
from mailframe.smtp.extensions.builtin import BUILTIN as SMTP_REGISTRY
from support.announced import announced, real_server

ROOT = Path(__file__).parents[2]
DOCUMENT = ROOT / "docs" / "specifications.md"
Row = tuple[list[str], str, list[bytes], Any]       # words that are announced, RFCs, commands, the extension
_MADE = re.compile(r"(<!-- made: ([a-z0-9-]+) -->\n).*?(<!-- end -->)", re.DOTALL)


def homes(package: str) -> dict[int, str]:
    """The file of a package in which each extension or mechanism is made, by its identity."""
    where: dict[int, str] = {}
    for info in pkgutil.iter_modules(importlib.import_module(package).__path__, package + "."):
        for value in vars(importlib.import_module(info.name)).values():
            for each in value if isinstance(value, tuple) else (value,):
                where.setdefault(id(each), info.name.replace(".", "/") + ".py")
    return where


def numbers(rfc: str) -> list[str]:
    """The RFC numbers of an extension's `rfc`."""
    return re.findall(r"\b\d{4,5}\b", rfc)


def _links(rfc: str) -> str:
    """To the RFCs; the words themselves where no RFC describes it."""
    return ", ".join(f"[{number}](https://www.rfc-editor.org/rfc/rfc{number})" for number in numbers(rfc)) or rfc


def _words(words: Iterable[bytes | str]) -> str:
    return ", ".join(f"`{word.decode() if isinstance(word, bytes) else word}`" for word in words)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    return "\n".join([*lines, *("| " + " | ".join(row) + " |" for row in rows)])


def smtp_rows() -> list[Row]:
    """An extension whose name is in small letters announces nothing."""
    return [([each.name] if each.name.isupper() else [], each.rfc, [command.verb for command in each.commands], each)
            for each in SMTP_REGISTRY.extensions]


def imap_rows() -> list[Row]:
    rows = []
    for each in imap_builtin.EXTENSIONS:
        words = [word.decode() for word in (each.capability or b"").split()]
        if each.capabilities is not None:
            for may_log_in in (False, True):
                context: Any = SimpleNamespace(settings=ImapSettings(), may_log_in=may_log_in, mechanisms=MECHANISMS)
                words += [word.decode().partition("=")[0] for word in each.capabilities(context)]
        rows.append((list(dict.fromkeys(words)), each.rfc, [command.name for command in each.commands], each))
    return rows


def pop3_rows() -> list[Row]:
    rows = []
    for each in POP3_EXTENSIONS:
        conversation: Any = SimpleNamespace(mechanisms=MECHANISMS)
        line = each.capability(conversation) if callable(each.capability) else each.capability or b""
        rows.append((line.decode().split()[:1], each.rfc, [command.verb for command in each.commands], each))
    return rows


def _registry(rows: Sequence[Row], packages: Sequence[str], head: str) -> str:
    where = {name: path for package in packages for name, path in homes(package).items()}
    return _table((head, "RFC", "commands", "file"), [
        (_words(words) or "-", _links(rfc), _words(commands) or "-", f"`{where[id(extension)]}`")
        for words, rfc, commands, extension in rows])


def _announced(found: Mapping[str, Sequence[str]]) -> str:
    return "\n\n".join(f"{situation}:\n\n```\n" + "\n".join(_lines(words)) + "\n```" for situation, words in found.items())


def _lines(words: Sequence[str], width: int = 110) -> Iterator[str]:
    """Some words to a line, parted by two spaces."""
    line = ""
    for word in words:
        if line and len(line) + len(word) > width:
            yield line
            line = ""
        line += ("  " if line else "") + word
    yield line


def made(found: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Each made part of the document, by its name."""
    sasl = homes("mailframe.sasl")
    return {
        "smtp": _registry(smtp_rows(), ["mailframe.smtp.extensions"], "keyword"),
        "imap": _registry(imap_rows(), ["mailframe.imap.commands", "mailframe.imap.extensions"], "capabilities"),
        "pop3": _registry(pop3_rows(), ["mailframe.pop3.extensions"], "capability"),
        "sasl": _table(("mechanism", "shows the password", "file"), [
            (f"`{name.decode()}`", "yes: under TLS only" if each.plaintext else "no", f"`{sasl[id(each)]}`")
            for name, each in MECHANISMS.items()]),
        "announced": _announced(found),
    }


def renewed(text: str, parts: Mapping[str, str]) -> str:
    """The document with its made parts as they should be."""
    return _MADE.sub(lambda match: f"{match[1]}{parts[match[2]]}\n{match[3]}", text)


def quoted() -> dict[str, set[str]]:
    """The RFCs that the code speaks of, each with the files that do."""
    found: dict[str, set[str]] = {}
    for path in sorted(Path(mailframe.__file__).parent.rglob("*.py")):
        text = path.read_text()
        words = re.findall(r"\bRFC\s+(?:#\s*)?(\d{3,5})", text)
        words += [number for value in re.findall(r'\brfc="([^"]*)"', text) for number in numbers(value)]
        for number in words:
            found.setdefault(number, set()).add(str(path.relative_to(ROOT)))
    return found


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        server = real_server(Path(folder))
        try:
            found = announced(server)
        finally:
            server.stop()
    DOCUMENT.write_text(renewed(DOCUMENT.read_text(), made(found)))


if __name__ == "__main__":
    main()
