"""A backup of all that is worth keeping, made while the server runs: a folder that can take the data folder's place."""

from __future__ import annotations

import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import apsw

from mailframe import __version__
from mailframe.app.builtin import ACCOUNTS
from mailframe.app.chosen import accounts_path
from mailframe.app.config import Config
from mailframe.app.storecheck import Say, examine
from mailframe.app.storefiles import StoreFiles, files_of, mail_is_in
from mailframe.app.toml import ConfigError
from mailframe.sqlite import files
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.held import copy, held
from mailframe.stores.directory.place import Place
from mailframe.stores.sqlite.backup import leap

NOTE = "backup.json"        # written last: a folder with it is a whole backup
_SMALL = ("tls", "password")        # what else lies in the data folder and would be missed


def backup(config: Config, target: Path, say: Say, *, replace: bool = False) -> None:
    """Make `target`, a folder that is complete when it has its name. Raises EngineError; then nothing is left behind, but for
    a copy that is whole and has what is wrong in the original: better than none, it never replaces an older backup."""
    store, target = files_of(config), target.absolute()
    _apart(target, store)
    _allowed(target, replace)
    with _unfinished(target) as folder:
        _content(store, folder)         # what the snapshot refers to is there before it; what came meanwhile is taken after it
        for path, copied in _snapshot(store, folder):
            say(f"{copied.name}: {copied.stat().st_size} octets from {path}")
        _content(store, folder)
        _rest(config, folder)
        findings = _findings(folder, store)
        if findings and target.exists():
            raise EngineError(f"{findings}; {target} stays the older backup")
        _note(store, folder)
        _durable(folder)
        _put_in_place(folder, target)
    if findings:
        raise EngineError(f"{target} is complete, but {findings}")
    say(f"{target}: complete.")
    if config.storage.plugin != "sqlite" or not mail_is_in(store.mail):
        say("Mailboxes are not in it: they are kept by another plugin than sqlite. Back them up by its own means.")
    if config.content.plugin not in ("sqlite", "directory"):
        say(f"Large messages are not in it: they are kept by the content plugin {config.content.plugin!r}. "
            "Back them up by its own means.")


def _apart(target: Path, store: StoreFiles) -> None:
    """What a backup restored into the data folder calls itself must not let it be replaced, nor may a copy copy itself."""
    real = target.resolve()
    for place in (store.data, *([store.content] if store.content else [])):
        if real.is_relative_to(place.resolve()) or place.resolve().is_relative_to(real):
            raise EngineError(f"{target} would not be apart from {place}, which is backed up; name a folder elsewhere")


def _allowed(target: Path, replace: bool) -> None:
    if not target.exists():
        return
    note = target / NOTE
    if not note.is_file():
        raise EngineError(f"{target} is there and is no backup of mailframe's; name a folder that is not there yet")
    if not replace:
        raise EngineError(f"{target} is a backup of {json.loads(note.read_text())['made']}; with --replace it is replaced")


@contextmanager
def _unfinished(target: Path) -> Iterator[Path]:
    """A folder beside the target, under another name; what an earlier try has left there goes."""
    target.parent.mkdir(parents=True, exist_ok=True)
    folder = target.with_name(f".{target.name}.unfinished")
    folder.mkdir(mode=0o700, exist_ok=True)
    lock = _own(folder)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        for left in folder.iterdir():
            shutil.rmtree(left) if left.is_dir() else left.unlink()
        os.chmod(folder, 0o700)
        yield folder
    except BlockingIOError:
        raise EngineError(f"another backup to {target} is being made") from None
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    finally:
        os.close(lock)


def _own(folder: Path) -> int:
    """A descriptor. What somebody else has put there, say in /tmp, would show him all mail, or lead to what we then remove."""
    try:
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        raise EngineError(f"cannot use the folder {folder}: {error.strerror}") from None
    if os.fstat(descriptor).st_uid != os.geteuid():
        os.close(descriptor)
        raise EngineError(f"the folder {folder} is somebody else's; name another place for the backup")
    return descriptor


def _snapshot(store: StoreFiles, folder: Path) -> list[tuple[Path, Path]]:
    """Copy every database as it is at one moment; all of them are held before the first is copied."""
    copies = []
    with ExitStack() as stack:
        still = [(path, stack.enter_context(held(path))) for path in store.databases]
        for path, con in still:
            target = store.place(folder, path)
            try:
                copy(con, target)
            except apsw.Error as error:
                raise EngineError(f"cannot copy {path}: {error}") from error
            copies.append((path, target))
    for _, target in copies:
        con = apsw.Connection(str(target))
        try:
            leap(con)
        finally:
            con.close()
    return copies


def _content(store: StoreFiles, folder: Path) -> None:
    """Content in files, which are never changed once they have their name: those not taken yet, as links where that goes."""
    if store.content is None:
        return
    ours = Place(store.content)
    for place, folders, names in os.walk(store.content):
        if "staging" in folders:
            folders.remove("staging")       # not whole yet
        target = folder / "content" / Path(place).relative_to(store.content)
        target.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in names:
            if ours.path(name) and not (target / name).exists():        # not the lock, which a copy must not share
                with suppress(FileNotFoundError):       # swept meanwhile: nothing refers to it
                    _linked(Path(place) / name, target / name)


def _linked(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except FileNotFoundError:
        raise
    except OSError:             # another file system
        shutil.copyfile(source, target)
        os.chmod(target, 0o600)
        files.sync(target)


def _rest(config: Config, folder: Path) -> None:
    with suppress(ConfigError):
        accounts = accounts_path(config)
        if accounts.is_file():
            _copied(accounts, folder / ACCOUNTS)
    for name in _SMALL:
        source = config.data / name
        if source.is_dir():
            (folder / name).mkdir(mode=0o700)
            for each in source.iterdir():
                _copied(each, folder / name / each.name)
        elif source.is_file():
            _copied(source, folder / name)


def _copied(source: Path, target: Path) -> None:
    target.touch(0o600)
    target.write_bytes(source.read_bytes())


def _findings(folder: Path, store: StoreFiles) -> str:
    """The copy is read from its first to its last page, and all of the check's questions are asked: what is wrong, in words."""
    findings = []
    for path in store.databases:
        copied = store.place(folder, path)
        content = folder / "content" if store.content else None
        findings += examine(copied, content)
        for suffix in ("-wal", "-shm"):
            copied.with_name(copied.name + suffix).unlink(missing_ok=True)
    number = f"{len(findings)} {'thing is' if len(findings) == 1 else 'things are'}"
    return f"{number} wrong in the database, and so in its copy (mailframe store check names them)" if findings else ""


def _note(store: StoreFiles, folder: Path) -> None:
    note: dict[str, Any] = {
        "made": datetime.now(UTC).astimezone().isoformat(timespec="seconds"), "mailframe": __version__,
        "databases": {str(store.place(Path(), path)): str(path) for path in store.databases},
        "octets": sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()),
    }
    (folder / NOTE).touch(0o600)
    (folder / NOTE).write_text(json.dumps(note, indent=2) + "\n")


def _durable(folder: Path) -> None:
    for path in (*folder.rglob("*"), folder):
        if not path.is_symlink():
            files.sync(path)


def _put_in_place(folder: Path, target: Path) -> None:
    """Its name is the promise that it is complete. An older one steps aside first, and goes when the new one is there."""
    older = target.with_name(f".{target.name}.replaced")
    if target.exists():
        shutil.rmtree(older, ignore_errors=True)
        os.rename(target, older)
    os.rename(folder, target)
    files.sync(target.parent)
    shutil.rmtree(older, ignore_errors=True)
