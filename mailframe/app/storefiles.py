"""Which files hold a server's mail, and what each of them must be like."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import apsw

from mailframe.app.builtin import CONTENT, DATABASE
from mailframe.app.config import Config
from mailframe.filters import greyschema
from mailframe.queue import check as queuecheck
from mailframe.queue import schema as queueschema
from mailframe.sqlite import contentcheck, pieces
from mailframe.sqlite.checking import Check, known, misshapen, versions
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.held import held
from mailframe.sqlite.migrate import Migration
from mailframe.sqlite.rows import fetch
from mailframe.stores.annotated import schema as annotated
from mailframe.stores.directory.place import Place
from mailframe.stores.shared import schema as shared
from mailframe.stores.sqlite import check as mailcheck
from mailframe.stores.sqlite import schema, sharding

#: What may be in a database of ours and cannot be made again from the rest of it.
COMPONENTS: Mapping[str, Sequence[Migration]] = {
    "content": pieces.MIGRATIONS, "store": schema.MIGRATIONS, "queue": queueschema.MIGRATIONS,
    sharding.COMPONENT: sharding.MIGRATIONS, annotated.COMPONENT: annotated.MIGRATIONS,
    shared.COMPONENT: shared.MIGRATIONS, greyschema.COMPONENT: greyschema.MIGRATIONS,
}


@dataclass(frozen=True, slots=True)
class StoreFiles:
    """The databases of one server: the one in the data folder first, which has the queue; and the folder of content in files."""

    data: Path
    databases: tuple[Path, ...]
    mail: Path                  # the first of those with mail
    number: int = 1             # of those with mail
    content: Path | None = None

    def mail_files(self) -> list[Path]:
        """Those with mail, in their order."""
        return sharding.shard_paths(self.mail, self.number)

    def place(self, folder: Path, database: Path) -> Path:
        """Where in a backup in `folder` the copy of `database` is: in its own place in the data folder, others apart."""
        return folder / database.name if database.parent == self.data else folder / "storage" / database.name


def files_of(config: Config) -> StoreFiles:
    """Raises EngineError when there is nothing."""
    main = config.data / DATABASE
    spec, mail = config.storage, main
    if spec.plugin == "sqlite" and (path := spec.argument or spec.settings.get("path")):
        mail = config.base / path
    if not main.exists() and not mail.exists():
        raise EngineError(f"there is no database {main}; name the data folder with --config or --data")
    number = 1
    if mail.exists():
        with _readable(mail) as con:
            number = sharding.kept(con).number
    every = dict.fromkeys([*([main] if main.exists() else []), *sharding.shard_paths(mail, number)])
    content = content_folder(config)
    if (config.content.plugin == "sqlite" or (content and not content.is_dir())) and any(map(_refers_outside, every)):
        _misnamed(config, content)
    return StoreFiles(config.data, tuple(every), mail, number, content)


def mail_is_in(database: Path) -> bool:
    """Whether it has mailboxes, rather than the queue alone beside another plugin's storage."""
    with held(database) as con:
        try:
            return "store" in versions(con)
        except apsw.Error:              # ruined: whatever follows says so
            return True


def _refers_outside(database: Path) -> bool:
    if not database.exists():
        return False
    with held(database) as con:
        try:
            return bool(fetch(con, "SELECT 1 FROM content WHERE outside IS NOT NULL AND refs > 0 LIMIT 1"))
        except apsw.Error:              # older, or ruined: its check finds out
            return False


def _misnamed(config: Config, content: Path | None) -> None:
    """Raises EngineError, lest a backup leaves large messages out, or a repair takes all of them for lost."""
    if content is None:
        raise EngineError('large messages rest in a content store, which is not named now (content = "directory", or what it was '
                          "before)")
    raise EngineError(f"large messages rest in files, and there is no folder {content}; name the right one with content in the "
                      "configuration, or where it is lost, make it, empty")


def content_folder(config: Config) -> Path | None:
    """Where large messages rest in files, if they do."""
    spec = config.content
    if spec.plugin != "directory":
        return None
    path = spec.argument or spec.settings.get("path")
    return config.base / path if path else config.data / CONTENT


@contextmanager
def _readable(path: Path) -> Iterator[apsw.Connection]:
    """As `held`; where not even its table of contents can be read, as if there were nothing in it."""
    with held(path) as con:
        try:
            versions(con)
        except apsw.Error:
            con = apsw.Connection(":memory:")
        yield con


def present(con: apsw.Connection, path: Path) -> dict[str, Sequence[Migration]]:
    """The components that this file has. Raises EngineError when it is not one of this version's."""
    return known(con, path, COMPONENTS)


def checks(con: apsw.Connection, path: Path, content: Path | None = None) -> list[Check]:
    """All that must be true of this file, in the order in which it is to be mended; and of the files in `content` that it
    refers to."""
    has = present(con, path)
    if shape := misshapen(con, has):
        return shape                    # the others would stumble over what is missing
    keep = mailcheck.keep if "store" in has else _write_beside(path)
    columns = [str(row[1]) for row in fetch(con, "PRAGMA table_info(content)")]
    referrers = [one for name, one in (("store", mailcheck.MESSAGES), ("queue", queuecheck.QUEUED)) if name in has]
    found: list[Check] = []
    if "store" in has:
        found += [*mailcheck.strayed(con), *mailcheck.OWNERS]
    if "queue" in has:
        found += [*queuecheck.unreadable(con), *queuecheck.checks(keep)]
    if "content" in has and content is not None:
        found += contentcheck.outside(con, Place(content).verify, lambda name: octets_of(content, name))
    if "content" in has and referrers:
        found += contentcheck.checks(referrers, [queuecheck.lost(columns)] if "queue" in has else [], keep, columns)
    if annotated.COMPONENT in has:
        found += annotated.CHECKS
    if shared.COMPONENT in has:
        found += shared.CHECKS
    return found + mailcheck.counts(con) if "store" in has else found


def octets_of(content: Path, content_id: str) -> bytes:
    """What there is of it."""
    path = Place(content).path(content_id)
    return path.read_bytes() if path is not None and path.is_file() else b""


def _write_beside(path: Path) -> contentcheck.Keep:
    """Where a file has no mailboxes: what nobody refers to is written beside it, and its content may be swept."""
    def keep(con: apsw.Connection, row: Mapping[str, object]) -> None:
        number = int(str(row["content"]))
        octets = fetch(con, "SELECT octets FROM piece WHERE id >> ? = ? ORDER BY id", (pieces.PIECE_BITS, number))
        target = path.with_name(f"{path.stem}-found-{number}.eml")
        target.touch(0o600)
        target.write_bytes(b"".join([piece for piece, in octets]))
        con.execute("UPDATE content SET refs = 0, since = unixepoch() WHERE id = ?", (number,))

    return keep
