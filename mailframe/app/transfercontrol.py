"""Imports and exports as the server does them, or a command without one: from a request's words to a report."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mailframe.app.control import ControlError, Streaming, Tell
from mailframe.interfaces.maybe import settled
from mailframe.interfaces.store import IAccount
from mailframe.model.address import Address
from mailframe.model.mailbox import NewMailbox
from mailframe.model.refusal import Refusal
from mailframe.model.route import Account
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.files import in_use
from mailframe.transfer.exporter import Exporter, Tree
from mailframe.transfer.foldernames import alone
from mailframe.transfer.imap_source import ImapSource, Server
from mailframe.transfer.importer import Importer, Selection
from mailframe.transfer.journal import Journal, path_for
from mailframe.transfer.maildir_source import MaildirSource
from mailframe.transfer.maildir_tree import MaildirTree
from mailframe.transfer.mbox_source import MboxSource
from mailframe.transfer.mbox_tree import MboxTree
from mailframe.transfer.source import Progress, Report, Source, TransferError

_KEPT = "What was done so far is kept; the same command goes on with the rest."
_BETWEEN_S = 0.2            # pieces of news about the same: a person sees no more


@dataclass(frozen=True, slots=True)
class Mail:
    """An opened storage, and who is to be found in it."""

    reactor: Any
    data: Path
    store: Any                          # IMailStore
    directory: Any                      # IDirectory
    fresh: tuple[NewMailbox, ...]

    async def account(self, name: str) -> tuple[str, IAccount]:
        """(its name, the account) that mail for the address `name` goes to. Raises ControlError when there is none."""
        try:
            resolution = (await settled(self.directory.resolve([Address.parse(name)])))[0]
        except ValueError as error:
            raise ControlError(f"{name!r} is no account's address: {error}") from None
        if not isinstance(resolution, Account):
            raise ControlError(f"There is no account {name} here")
        return resolution.name, await settled(self.store.open_account(resolution.name, self.fresh))


def handlers(mail: Mail) -> dict[str, Streaming]:
    """What the running server does when asked."""
    return {"import": Streaming(partial(run_import, mail)), "export": Streaming(partial(run_export, mail))}


async def run_import(mail: Mail, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Do what `mailframe import` asks; the report as a dictionary. Raises ControlError with a sentence."""
    source = source_for(mail.reactor, request)
    name, account = await mail.account(request["account"])
    selection = Selection(tuple(request["folders"]), tuple(request["skip"]), request["into"], request["dry_run"])
    path = path_for(mail.data, request["kind"], source.title, name, selection.into)
    journal = Journal(path, mail.reactor)
    importer = Importer(mail.store, account, source, journal, mail.reactor, selection, _paced(mail.reactor, tell))
    if in_use(path):
        raise ControlError("The same import is running already")
    try:
        await journal.start()
        try:
            return _told(await importer.run(), name)
        finally:
            await journal.close()
    except (TransferError, Refusal, EngineError) as error:
        raise ControlError(_ended_early(error, importer.report)) from error


async def run_export(mail: Mail, request: Mapping[str, Any], tell: Tell) -> dict[str, Any]:
    """Do what `mailframe export` asks; the report as a dictionary. Raises ControlError with a sentence."""
    name, account = await mail.account(request["account"])
    make = MaildirTree if request["kind"] == "maildir" else MboxTree
    tree: Tree = make(Path(request["path"]), name, mail.reactor)
    selection = Selection(tuple(request["folders"]), tuple(request["skip"]), "", request["dry_run"])
    exporter = Exporter(account, tree, mail.reactor, selection, _paced(mail.reactor, tell))
    try:
        with alone(Path(request["path"])) if not selection.dry_run else nullcontext():
            return _told(await exporter.run(), name)
    except OSError as error:
        raise ControlError(f"{error.filename or request['path']}: {error.strerror}") from error
    except (TransferError, Refusal) as error:
        raise ControlError(_ended_early(error, exporter.report)) from error


def source_for(reactor: Any, request: Mapping[str, Any]) -> Source:
    """The source that the request's words name."""
    if request["kind"] == "maildir":
        return MaildirSource(Path(request["path"]), reactor)
    if request["kind"] == "mbox":
        return MboxSource(Path(request["path"]), reactor, request["quoting"])
    if request["kind"] == "imap":
        ca_file = Path(request["ca_file"]) if request["ca_file"] else None
        server = Server(request["host"], request["user"], request["password"], request["port"], request["tls"], ca_file)
        return ImapSource(server, reactor)
    raise ControlError(f"mail cannot be imported from {request['kind']!r}")


def _ended_early(error: Exception, report: Report) -> str:
    sentence = str(error).rstrip(".")
    return f"{sentence[:1].upper()}{sentence[1:]}.{f' {_KEPT}' if report.copied else ''}"


def _told(report: Report, account: str) -> dict[str, Any]:
    return {**asdict(report), "account": account}


def _paced(reactor: Any, tell: Tell) -> Any:
    """`tell`, at most some times a second, but at once when phase or folder changes, and always for what ends one."""
    last: list[Any] = [0.0, None]

    def told(progress: Progress) -> None:
        now, about = reactor.seconds(), (progress.phase, progress.folder)
        if about != last[1] or now - last[0] >= _BETWEEN_S or progress.done >= progress.total > 0:
            last[:] = [now, about]
            tell(asdict(progress))

    return told


