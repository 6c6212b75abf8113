"""`mailframe import ...` and `mailframe export ...`: asks the running server, or opens the storage itself where none runs."""

from __future__ import annotations

import argparse
import getpass
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mailframe.app.config import Config
from mailframe.app.control import ControlError, NotRunning, ask
from mailframe.app.offline import with_mail
from mailframe.app.progress import display, octets
from mailframe.app.transfercontrol import run_export, run_import

IMPORTS = {
    "maildir": "from a Maildir, or a tree of them (Courier's, Dovecot's, mbsync's)",
    "mbox": "from an mbox file, or a tree of them (mutt's, Thunderbird's)",
    "imap": "from an account on another IMAP server, which stays as it is",
}
EXPORTS = {
    "maildir": "into a Maildir++ tree, which Dovecot, Courier, mutt and many others read",
    "mbox": "into a tree of mbox files, which Thunderbird, mutt and many others read",
}
_ACTS: Mapping[str, Any] = {"import": run_import, "export": run_export}


Place = Callable[[argparse.ArgumentParser], None]


def add_import(parser: argparse.ArgumentParser, place: Place, config: Callable[[argparse.Namespace], Config]) -> None:
    """The arguments of ``mailframe import``; `place` adds those that name the server, `config` reads them."""
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    for kind, words in IMPORTS.items():
        one = kinds.add_parser(kind, help=words, description=f"Import mail {words}. What is here already is not imported again.")
        place(one)
        one.add_argument("account", metavar="ACCOUNT", help="whose mail it becomes: the account's address")
        if kind == "imap":
            _add_server(one)
        else:
            one.add_argument("path", type=Path, metavar="PATH")
        if kind == "mbox":
            one.add_argument("--quoting", choices=("mboxrd", "none"), default="mboxrd",
                             help='whether ">From " in the files stands for "From " (most programs), or for itself')
        _add_selection(one)
        one.add_argument("--into", metavar="FOLDER", default="", help="put everything under this folder")
        one.add_argument("--dry-run", action="store_true", help="say what there is, and import nothing")
        one.set_defaults(run=lambda arguments, kind=kind: _run("import", kind, config(arguments), arguments))


def add_export(parser: argparse.ArgumentParser, place: Place, config: Callable[[argparse.Namespace], Config]) -> None:
    """The arguments of ``mailframe export``."""
    kinds = parser.add_subparsers(required=True, metavar="KIND")
    for kind, words in EXPORTS.items():
        one = kinds.add_parser(kind, help=words, description=f"Export mail {words}. What is there already is not exported again.")
        place(one)
        one.add_argument("account", metavar="ACCOUNT", help="whose mail: the account's address")
        one.add_argument("path", type=Path, metavar="DIRECTORY", help="a new one, or that of an earlier export")
        _add_selection(one)
        one.add_argument("--dry-run", action="store_true", help="say what there is, and export nothing")
        one.set_defaults(run=lambda arguments, kind=kind: _run("export", kind, config(arguments), arguments))


def _add_server(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("host", metavar="HOST", help="the other server's name")
    parser.add_argument("user", metavar="USER", help="the login there; its password is asked for, or read from standard input")
    parser.add_argument("--password-file", type=Path, metavar="FILE", help="take the password from the first line of this file")
    parser.add_argument("--tls", choices=("implicit", "starttls", "none"), default="implicit",
                        help="TLS from the first octet (the default), after STARTTLS, or none: the password goes in the clear")
    parser.add_argument("--port", type=int, help="default: 993, or 143 where TLS is not implicit")
    parser.add_argument("--ca-file", type=Path, metavar="FILE", help="believe these authorities (PEM) instead of the system's")


def _server(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        "host": arguments.host, "user": arguments.user, "password": _password(arguments.password_file), "tls": arguments.tls,
        "port": arguments.port or (993 if arguments.tls == "implicit" else 143),
        "ca_file": str(arguments.ca_file.absolute()) if arguments.ca_file else "",
    }


def _password(path: Path | None) -> str:
    """Never an argument, which every process can see (I9)."""
    if path is not None:
        line = path.read_text("utf-8").partition("\n")[0]
    elif sys.stdin.isatty():
        line = getpass.getpass("Password on the other server: ")
    else:
        line = sys.stdin.readline()
    if not line.rstrip("\r\n"):
        raise ControlError("The password is empty; nothing was done")
    return line.rstrip("\r\n")


def _add_selection(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--folder", action="append", default=[], metavar="NAME",
                        help="this folder and what is below it alone; * and ? stand for anything; may be given again")
    parser.add_argument("--skip", action="append", default=[], metavar="NAME", help="not this folder; as --folder")


def _run(action: str, kind: str, config: Config, arguments: argparse.Namespace) -> None:
    request = {
        "do": action, "kind": kind, "account": arguments.account, "folders": arguments.folder, "skip": arguments.skip,
        "into": getattr(arguments, "into", ""), "dry_run": getattr(arguments, "dry_run", False),
        "quoting": getattr(arguments, "quoting", "mboxrd"),
        "path": str(arguments.path.absolute()) if hasattr(arguments, "path") else "",
    }
    if kind == "imap":
        request |= _server(arguments)
    shown = display(sys.stderr)
    try:
        report = _done(action, config, request, shown.show)
    finally:
        shown.end()
    _print(action, report, request["dry_run"])


def _done(action: str, config: Config, request: Mapping[str, Any], show: Callable[[Mapping[str, Any]], None]) -> Mapping[str, Any]:
    try:
        report: Mapping[str, Any] = ask(config.data, request, news=show)
    except NotRunning:
        report = with_mail(config, lambda mail: _ACTS[action](mail, request, show))
    return report


def _print(action: str, report: Mapping[str, Any], dry_run: bool) -> None:
    """Raises ControlError when not everything is at the other side."""
    where = f"{_plural(report['folders'], 'folder')} of {report['account']}"
    if dry_run:
        before = f", of which {report['already']} were imported before" if action == "import" else ""
        print(f"{_plural(report['listed'], 'message')} in {_plural(report['folders'], 'folder')}{before}. Nothing was changed.")
    else:
        past, preposition = ("Imported", "into") if action == "import" else ("Exported", "from")
        print(f"{past} {_plural(report['copied'], 'message')} ({octets(report['octets'])}) {preposition} {where}; "
              f"{report['already']} were there already. {report['verified']} were read back and are equal.")
    for note in report["notes"]:
        print(f"Note: {note}.")
    for problem in report["problems"]:
        print(f"{problem}.", file=sys.stderr)
    if report["troubles"]:
        they = "it is" if report["troubles"] == 1 else "they are"
        raise ControlError(f"{_plural(report['troubles'], 'message')} of {report['listed']} did not arrive as {they}; see above")
    if report["problems"]:
        raise ControlError("Not all that was asked for was found; see above")


def _plural(count: int, noun: str) -> str:
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"
