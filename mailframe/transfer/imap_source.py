"""Mail from another IMAP server: its folders with their uses, its messages by UIDVALIDITY and UID, nothing changed there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from twisted.internet.endpoints import HostnameEndpoint
from twisted.internet.protocol import Factory

from mailframe.imap import mutf7
from mailframe.mime.date import parse_date
from mailframe.model.mailbox import INBOX, MAX_UID, SEPARATOR, uid_ranges
from mailframe.tls.client import ClientContexts

from .imap_answers import Answer, Large, pairs
from .imap_client import Gone, ImapClient, Said
from .lineends import ToCrlf
from .source import SLICE_OCTETS, Listed, Meta, SourceFolder, Taker, TransferError

_PAGE = 2_000                   # UIDs asked for at once when a folder is listed
_PAGES = 500                    # and at most so many questions
_TOGETHER_OCTETS = 1_048_576    # messages asked for in one command
_KEPT_OCTETS = 4_194_304        # what is kept of an answer, whatever sizes the server told before
_TRIES = 3                      # connections for one page of messages
_CONNECT_TIMEOUT_S = 30.0
_USES = frozenset({b"\\all", b"\\archive", b"\\drafts", b"\\flagged", b"\\junk", b"\\sent", b"\\trash", b"\\important"})
_XLIST = {b"\\spam": b"\\junk", b"\\starred": b"\\flagged", b"\\allmail": b"\\all"}     # Google's older words


@dataclass(frozen=True, slots=True)
class Server:
    """Where to log in, and as whom."""

    host: str
    user: str
    password: str = field(repr=False)
    port: int = 993
    tls: str = "implicit"           # or "starttls"; "none" sends the password in the clear
    ca_file: Path | None = None     # PEM: believed instead of the system's authorities


class ImapSource:
    """See Source."""

    numbered = False

    def __init__(self, server: Server, reactor: Any) -> None:
        self.title = f"imap {server.user}@{server.host}:{server.port}"
        self._server = server
        self._reactor = reactor
        self._client: ImapClient | None = None
        self._folder: SourceFolder | None = None
        self._validity = 0
        self._next = 1                              # the UID from which on the folder is still to be listed
        self._end = MAX_UID                         # the greatest one that it has

    @property
    def client(self) -> ImapClient:
        if self._client is None:
            raise TransferError("open comes first")
        return self._client

    async def open(self) -> None:
        """See Source: connect and log in."""
        server = self._server
        factory = Factory.forProtocol(lambda: ImapClient(server.host, self._reactor))
        factory.noisy = False
        endpoint = HostnameEndpoint(self._reactor, server.host, server.port, timeout=_CONNECT_TIMEOUT_S)
        try:
            client: Any = await endpoint.connect(factory)
        except Exception as error:
            raise TransferError(f"Cannot connect to {server.host} port {server.port}: {' '.join(str(error).split())}") from error
        self._client = client
        try:
            await self._logged_in(client)
        except BaseException:
            await self.close()
            raise

    async def _logged_in(self, client: ImapClient) -> None:
        server, contexts = self._server, ClientContexts()
        try:
            creator = contexts.verified(server.host, server.ca_file) if server.tls != "none" else None
        except ValueError as error:
            raise TransferError(str(error)) from error
        if server.tls == "implicit":
            await client.tls(creator)
        ready = await client.greeting()
        if server.tls == "starttls":
            await client.starttls(creator)
        await client.capability()
        if not ready:
            await client.login(server.user, server.password)
            await client.capability()

    async def close(self) -> None:
        """See Source."""
        if self._client is not None:
            self._client.close()
            self._client = None

    async def folders(self) -> Sequence[SourceFolder]:
        """See Source: the user's own, not what others share."""
        has = self.client.capabilities
        own, foreign = await self._namespaces() if b"NAMESPACE" in has else ("", ())
        listing = b'XLIST "" "*"' if b"XLIST" in has and b"SPECIAL-USE" not in has else b'LIST "" "*"'
        if b"LIST-EXTENDED" in has and b"SPECIAL-USE" in has:
            listing = b'LIST "" "*" RETURN (SUBSCRIBED SPECIAL-USE)'
        found = await self._listed(listing)
        subscribed = {raw for flags, _, raw in await self._listed(b'LSUB "" "*"')}
        folders = []
        for flags, separator, raw in found:
            if {b"\\noselect", b"\\nonexistent"} & flags or any(prefix and raw.startswith(prefix) for prefix in foreign):
                continue
            use = next((_use(flag) for flag in sorted(flags) if _XLIST.get(flag, flag) in _USES), None)
            name = folder_name(raw, separator, own)
            folders.append(SourceFolder(raw.decode("latin-1"), name, use, raw in subscribed or name == INBOX))
        return sorted(folders, key=lambda folder: (folder.name != INBOX, folder.name))

    async def _namespaces(self) -> tuple[str, tuple[bytes, ...]]:
        """(the prefix of the user's own folders, those of others' and shared ones) (RFC 2342)."""
        kinds: list[Any] = []

        def each(answer: Answer) -> None:
            if answer.word == b"NAMESPACE":
                kinds.extend(answer.values)

        await self.client.command(b"NAMESPACE", each)
        prefixes = [[one[0] for one in kind if isinstance(one, list) and one and isinstance(one[0], bytes)]
                    if isinstance(kind, list) else [] for kind in kinds]
        own = prefixes[0][0].decode("latin-1") if prefixes and prefixes[0] else ""
        return own, tuple(prefix for kind in prefixes[1:] for prefix in kind)

    async def _listed(self, line: bytes) -> list[tuple[frozenset[bytes], bytes, bytes]]:
        """(flags in lower case, separator, name as it is on the wire) of each folder."""
        found: list[tuple[frozenset[bytes], bytes, bytes]] = []

        def each(answer: Answer) -> None:
            if answer.word in (b"LIST", b"XLIST", b"LSUB") and len(answer.values) >= 3:
                flags, separator, name = answer.values[:3]
                if isinstance(name, bytes):
                    found.append((frozenset(flag.lower() for flag in flags or ()), separator or b"", name))

        await self.client.command(line, each)
        return found

    async def enter(self, folder: SourceFolder) -> None:
        """See Source."""
        self._folder, self._validity, self._next, self._end = folder, 0, 1, MAX_UID

        def each(answer: Answer) -> None:
            if answer.word == b"OK":
                validity, uidnext = answer.code(b"UIDVALIDITY"), answer.code(b"UIDNEXT")
                if validity and validity.isdigit():
                    self._validity = int(validity)
                if uidnext and uidnext.isdigit():
                    self._end = int(uidnext) - 1

        await self.client.command(b"EXAMINE " + _quoted(folder.key.encode("latin-1")), each)
        if not self._validity:
            raise TransferError(f"{self._server.host} tells no UIDVALIDITY of {folder.name}, so its messages cannot be told apart")

    async def page(self) -> Sequence[Listed]:
        """See Source."""
        uids: set[int] = set()

        def each(answer: Answer) -> None:
            if answer.word == b"SEARCH":
                uids.update(int(value) for value in answer.values if value.isdigit())

        while not uids and self._next <= self._end:
            step = self._end if self._end == MAX_UID else max(_PAGE, self._end // _PAGES)     # MAX_UID: it has told no UIDNEXT
            last = min(self._next + step - 1, self._end)
            await self.client.command(b"UID SEARCH UID %d:%d" % (self._next, last), each)
            self._next = last + 1
        return [Listed(f"{self._validity}.{uid}", uid) for uid in sorted(uids)]

    async def read(self, wanted: Sequence[Listed], taker: Taker) -> None:
        """See Source. A connection that breaks is made again."""
        left = list(wanted)
        for tries in range(1, _TRIES + 1):
            try:
                await self._read(left, taker)
                return
            except Gone:
                if tries == _TRIES or self._folder is None:
                    raise
                await self.close()
                await self.open()
                await self.enter(self._folder)

    async def _read(self, left: list[Listed], taker: Taker) -> None:
        """Gives those of `left`, and takes each from it when it was given."""
        if any(not listed.key.startswith(f"{self._validity}.") for listed in left):
            raise TransferError(f"{self._server.host} has changed the UIDVALIDITY of a folder meanwhile")
        about = await self._about([listed.rank for listed in left])
        while left:
            together: list[Listed] = []
            octets = 0
            for listed in left:
                size = about[listed.rank][1] if listed.rank in about else 0
                if together and octets + size > _TOGETHER_OCTETS:
                    break
                together.append(listed)
                octets += size
            known = [listed.rank for listed in together if listed.rank in about]
            bodies = await self._bodies(known) if known and octets <= _TOGETHER_OCTETS else {}
            for listed in together:
                await self._give(listed, about.get(listed.rank), bodies.get(listed.rank), taker)
                left.pop(0)

    async def _about(self, uids: Sequence[int]) -> dict[int, tuple[Meta, int]]:
        """(flags and date, size) of those that are there."""
        found: dict[int, tuple[Meta, int]] = {}

        def each(answer: Answer) -> None:
            values = pairs(answer.values[0]) if answer.word == b"FETCH" and answer.values else {}
            if b"UID" in values and b"RFC822.SIZE" in values:
                flags = tuple(flag for flag in values.get(b"FLAGS") or () if isinstance(flag, bytes))
                parsed = parse_date((values.get(b"INTERNALDATE") or b"").strip().replace(b"-", b" ", 2))
                found[int(values[b"UID"])] = Meta(flags, parsed[0] if parsed else 0), int(values[b"RFC822.SIZE"])

        if uids:
            await self.client.command(b"UID FETCH %s (UID FLAGS INTERNALDATE RFC822.SIZE)" % _set(uids), each)
        return found

    async def _bodies(self, uids: Sequence[int]) -> dict[int, bytes]:
        """The octets of small messages; of those that turn out large nothing."""
        found: dict[int, bytes] = {}
        kept = 0

        def each(answer: Answer) -> None:
            nonlocal kept
            values = pairs(answer.values[0]) if answer.word == b"FETCH" and answer.values else {}
            body = values.get(b"BODY[]", values.get(b"RFC822"))
            if b"UID" in values and isinstance(body, bytes) and kept + len(body) <= _KEPT_OCTETS:
                found[int(values[b"UID"])] = body
                kept += len(body)

        try:
            await self.client.command(b"UID FETCH %s (UID BODY.PEEK[])" % _set(uids), each)
        except Said:                # Exchange and others say NO for all where one message is broken: ask for each alone
            if len(uids) == 1:
                raise
        return found

    async def _give(self, listed: Listed, about: tuple[Meta, int] | None, body: bytes | None, taker: Taker) -> None:
        if about is None:
            await taker.missing(listed, "")
            return
        taker.begin(listed)
        form = ToCrlf()
        if body is None:
            try:
                if not await self._streamed(listed.rank, form, taker):
                    await taker.missing(listed, "")
                    return
            except Said as error:
                await taker.missing(listed, str(error))
                return
        else:
            for start in range(0, len(body), SLICE_OCTETS):
                await taker.write(form.feed(body[start:start + SLICE_OCTETS]))
        if end := form.end():
            await taker.write(end)
        await taker.end(about[0])

    async def _streamed(self, uid: int, form: ToCrlf, taker: Taker) -> bool:
        """One message alone, as it comes; whether it was there."""
        whole: list[bytes | Large] = []

        def each(answer: Answer) -> None:
            values = pairs(answer.values[0]) if answer.word == b"FETCH" and answer.values else {}
            if isinstance(body := values.get(b"BODY[]", values.get(b"RFC822")), bytes | Large):
                whole.append(body)

        async def write(octets: bytes) -> None:
            await taker.write(form.feed(octets))

        await self.client.stream(b"UID FETCH %d (UID BODY.PEEK[])" % uid, write, each)
        for body in whole:
            if isinstance(body, bytes):
                for start in range(0, len(body), SLICE_OCTETS):
                    await write(body[start:start + SLICE_OCTETS])
        return bool(whole)


def folder_name(raw: bytes, separator: bytes, own: str) -> str:
    """A name on the wire as ours: without the prefix of the user's own folders, levels parted by "/"."""
    text = raw.decode("latin-1")
    if text.upper() == INBOX:
        return INBOX
    if own and text.startswith(own) and len(text) > len(own):
        text = text[len(own):]
    levels = text.split(separator.decode("latin-1")) if separator else [text]
    return SEPARATOR.join(_decoded(level).replace(SEPARATOR, "_") for level in levels)


def _decoded(level: str) -> str:
    octets = level.encode("latin-1")
    try:
        return mutf7.decode(octets, lenient=True)
    except ValueError:
        return octets.decode("utf-8", "replace")


def _use(flag: bytes) -> str:
    word = _XLIST.get(flag, flag).decode("ascii")
    return word[0] + word[1:].capitalize()


def _quoted(raw: bytes) -> bytes:
    return b'"' + raw.replace(b"\\", b"\\\\").replace(b'"', b'\\"') + b'"'


def _set(uids: Sequence[int]) -> bytes:
    """A UID set; runs as ranges."""
    return b",".join(b"%d" % first if first == last else b"%d:%d" % (first, last) for first, last in uid_ranges(uids))
