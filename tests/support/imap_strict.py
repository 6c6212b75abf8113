"""An IMAP server's octets judged by the grammar alone (RFC 3501 section 9 and extensions); shares no code with the server.

A client built on it knows nothing but what it was told: `Stream.feed` gives each complete response as a value.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

_NUMBER = re.compile(rb"0|[1-9][0-9]{0,19}")
_ATOM = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_ASTRING = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\]+')
_TAG = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\+]+')
_QUOTED = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f]|\\["\\])*)"')
_QUOTED8 = re.compile(rb'"((?:[\x01-\x09\x0b\x0c\x0e-\x21\x23-\x5b\x5d-\x7f\x80-\xff]|\\["\\])*)"')
_LITERAL = re.compile(rb"\{(0|[1-9][0-9]*)\}\r\n")
_TEXT = re.compile(rb"[\x01-\x09\x0b\x0c\x0e-\x7f]+")
_FLAG = re.compile(rb'\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_FLAG_PERM = re.compile(rb'\\\*|\\?[^\x00-\x20\x7f-\xff(){%*"\\\]]+')
_DATE_TIME = re.compile(
    rb'"([ 123][0-9]-(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)-[0-9]{4} [0-9]{2}:[0-9]{2}:[0-9]{2} [+-][0-9]{4})"')
_SET = re.compile(rb"[1-9][0-9]*(?::[1-9][0-9]*)?(?:,[1-9][0-9]*(?::[1-9][0-9]*)?)*")
_SECTION = re.compile(
    rb"(?:[1-9][0-9]*(?:\.[1-9][0-9]*)*)?(?:(?<=\[)|(?<=[0-9])\.|(?=\]))(HEADER\.FIELDS(?:\.NOT)? |HEADER|TEXT|MIME|)")
_MARK = re.compile(rb"~?\{([0-9]+)\}\Z")
_STATUS_ITEM = re.compile(
    rb"MESSAGES|RECENT|UIDNEXT|UIDVALIDITY|UNSEEN|DELETED-STORAGE|DELETED|SIZE|HIGHESTMODSEQ|APPENDLIMIT|MAILBOXID")
_EVENT = re.compile(
    rb"MessageNew|MessageExpunge|FlagChange|AnnotationChange|MailboxName|SubscriptionChange|MailboxMetadataChange|ServerMetadataChange")
_OBJECT_ID = re.compile(rb"\(([A-Za-z0-9_-]{1,255})\)")
_SIGNED = re.compile(rb"imap://[^/;]+@[^/;]+/[^;]+(?:;UIDVALIDITY=[0-9]+)?/;UID=.*;URLAUTH=[^:]+:internal:[0-9a-f]{32,}", re.I)
_URL_TEXT = re.compile(rb"[\x21-\x5c\x5e-\x7e]+")
_MARK8 = re.compile(rb"~\{([0-9]+)\}\r\n")
_PLAIN_CODES = frozenset((
    b"ALERT", b"PARSE", b"READ-ONLY", b"READ-WRITE", b"TRYCREATE", b"UIDNOTSTICKY", b"CLOSED", b"NOMODSEQ",
    # RFC 5530
    b"UNAVAILABLE", b"AUTHENTICATIONFAILED", b"AUTHORIZATIONFAILED", b"EXPIRED", b"PRIVACYREQUIRED", b"CONTACTADMIN", b"NOPERM",
    b"INUSE", b"EXPUNGEISSUED", b"CORRUPTION", b"SERVERBUG", b"CLIENTBUG", b"CANNOT", b"LIMIT", b"OVERQUOTA", b"ALREADYEXISTS",
    b"NONEXISTENT", b"COMPRESSIONACTIVE", b"UNKNOWN-CTE",
    b"HASCHILDREN", b"TOOBIG", b"USEATTR", b"NOTSAVED", b"UIDREQUIRED", b"TOOFEW", b"TOOMANY",
    b"NOTIFICATIONOVERFLOW",
))
MAX_32 = 0xFFFFFFFF
MAX_63 = (1 << 63) - 1


@dataclass(frozen=True, slots=True)
class Response:
    """One response: `tag` is b"*", b"+" or a command's; `kind` OK, EXISTS, FETCH...; `number` before it, `value` behind it."""

    tag: bytes
    kind: bytes
    number: int = 0
    value: Any = None
    code: bytes = b""           # of OK, NO, BAD, BYE, PREAUTH
    code_value: Any = None


class Reader:
    """Reads one complete response; what is not in the grammar fails an assertion."""

    def __init__(self, octets: bytes, utf8: bool = False, uid_only: bool = False) -> None:
        self.octets, self.at, self.utf8, self.uid_only, self.tagged = octets, 0, utf8, uid_only, False

    def fail(self, wanted: str) -> AssertionError:
        return AssertionError(f"{wanted} expected at {self.octets[self.at:self.at + 80]!r} in {self.octets[:400]!r}")

    def take(self, text: bytes) -> bool:
        if self.octets.startswith(text, self.at):
            self.at += len(text)
            return True
        return False

    def expect(self, text: bytes) -> None:
        if not self.take(text):
            raise self.fail(repr(text))

    def match(self, pattern: re.Pattern[bytes], wanted: str) -> re.Match[bytes]:
        found = pattern.match(self.octets, self.at)
        if found is None:
            raise self.fail(wanted)
        self.at = found.end()
        return found

    def number(self, greatest: int = MAX_32, least: int = 0) -> int:
        value = int(self.match(_NUMBER, "number").group())
        assert least <= value <= greatest, f"{value} is out of range in {self.octets[:200]!r}"
        return value

    def string(self) -> bytes:
        literal = _LITERAL.match(self.octets, self.at)
        if literal is None:
            quoted = self.match(_QUOTED8 if self.utf8 else _QUOTED, "string")[1]
            quoted.decode("utf-8")
            return re.sub(rb"\\(.)", rb"\1", quoted)
        start, size = literal.end(), int(literal[1])
        value = self.octets[start:start + size]
        assert len(value) == size, "a literal that is not whole"
        assert b"\0" not in value, "NUL in a literal (RFC 3501 section 9, CHAR8)"
        self.at = start + size
        return value

    def nstring(self) -> bytes | None:
        return None if self.take(b"NIL") else self.string()

    def literal8(self) -> bytes | None:
        """An nstring, or a literal that may hold a NUL."""
        mark = _MARK8.match(self.octets, self.at)
        if mark is None:
            return self.nstring()
        self.at = mark.end() + int(mark[1])
        assert self.at <= len(self.octets)
        return self.octets[mark.end():self.at]

    def astring(self) -> bytes:
        if self.octets[self.at:self.at + 1] in (b'"', b"{"):
            return self.string()
        return self.match(_ASTRING, "astring").group()

    def list_of(self, item: Callable[[], Any], least: int = 0) -> list[Any]:
        """``"(" [item *(SP item)] ")"``"""
        self.expect(b"(")
        items = []
        if not self.take(b")"):
            items.append(item())
            while not self.take(b")"):
                self.expect(b" ")
                items.append(item())
        assert len(items) >= least, f"a list too short in {self.octets[:200]!r}"
        return items

    def flags(self, pattern: re.Pattern[bytes] = _FLAG) -> list[bytes]:
        found: list[bytes] = self.list_of(lambda: self.match(pattern, "flag").group())
        assert len({flag.lower() for flag in found}) == len(found), f"a flag twice: {found}"
        return found

    def uid_set(self) -> bytes:
        return self.match(_SET, "sequence-set").group()

    # -- whole responses

    def response(self) -> Response:
        if self.take(b"+ "):
            return Response(b"+", b"", value=b"" if self.octets[self.at:] == b"\r\n" else self.match(_TEXT, "text").group())
        tag = b"*" if self.take(b"* ") else self.match(_TAG, "tag").group()
        if tag != b"*":
            self.expect(b" ")
        found = self._numbered() if tag == b"*" and self.octets[self.at:self.at + 1].isdigit() else self._named(tag)
        assert self.octets[self.at:] == b"\r\n", self.fail("end of the response")
        return found

    def _numbered(self) -> Response:
        number = self.number()
        self.expect(b" ")
        kind = self.match(_ATOM, "EXISTS, RECENT, EXPUNGE, FETCH or UIDFETCH").group()
        if kind in (b"EXISTS", b"RECENT"):
            return Response(b"*", kind, number)
        assert number, f"message number 0 in {self.octets[:80]!r}"
        assert self.uid_only == (kind == b"UIDFETCH"), f"{kind!r}, UIDONLY {self.uid_only} (RFC 9586 section 3)"
        if kind == b"EXPUNGE":
            return Response(b"*", kind, number)
        assert kind in (b"FETCH", b"UIDFETCH"), f"unknown response {kind!r}"
        self.expect(b" ")
        items = self._fetch()
        assert kind == b"FETCH" or items.get(b"UID", number) == number
        return Response(b"*", kind, number, items)

    def _named(self, tag: bytes) -> Response:
        kind = self.match(_ATOM, "kind of response").group()
        if kind in (b"OK", b"NO", b"BAD") or (tag == b"*" and kind in (b"BYE", b"PREAUTH")):
            return self._condition(tag, kind)
        assert tag == b"*", f"tagged {kind!r}"
        reader = _DATA.get(kind)
        assert reader is not None, f"unknown response {kind!r}"
        return Response(b"*", kind, value=reader(self))

    def _condition(self, tag: bytes, kind: bytes) -> Response:
        self.expect(b" ")
        self.tagged = tag != b"*"
        code, value = b"", None
        if self.take(b"["):
            code = self.match(_ATOM, "response code").group()
            value = self._code(code)
            self.expect(b"] ")
        return Response(tag, kind, value=self.match(_TEXT, "text").group(), code=code, code_value=value)

    def _code(self, code: bytes) -> Any:
        if code in _PLAIN_CODES:
            return None
        if code in (b"UIDNEXT", b"UIDVALIDITY", b"UNSEEN"):
            assert not (self.uid_only and code == b"UNSEEN"), "a message number after ENABLE UIDONLY"
            self.expect(b" ")
            return self.number(least=1)
        if code == b"HIGHESTMODSEQ":
            self.expect(b" ")
            return self.number(MAX_63, 1)
        if code == b"MESSAGELIMIT":
            self.expect(b" ")
            return self.number(least=1), self.number(least=1) if self.take(b" ") else None
        if code == b"INPROGRESS":
            assert not self.tagged, "INPROGRESS in a tagged response (RFC 9585 section 4)"
            return self._in_progress() if self.take(b" (") else None
        if code == b"PERMANENTFLAGS":
            self.expect(b" ")
            return self.flags(_FLAG_PERM)
        if code == b"CAPABILITY":
            return _capability(self)
        if code == b"BADCHARSET":
            self.expect(b" ")
            return self.list_of(self.astring, 1)
        if code == b"BADEVENT":
            self.expect(b" ")
            return self.list_of(lambda: self.match(_EVENT, "event-name").group(), 1)
        if code == b"MAILBOXID":
            self.expect(b" ")
            return self.match(_OBJECT_ID, "objectid")[1]
        if code == b"METADATA":
            self.expect(b" ")
            what = self.match(_ATOM, "LONGENTRIES, MAXSIZE, TOOMANY or NOPRIVATE").group()
            if what in (b"TOOMANY", b"NOPRIVATE"):
                return what, None
            assert what in (b"LONGENTRIES", b"MAXSIZE"), what
            self.expect(b" ")
            return what, self.number()
        if code == b"UNDEFINED-FILTER":
            self.expect(b" ")
            return self.match(_ATOM, "filter-name").group()
        if code == b"NOUPDATE":
            self.expect(b" ")
            return self.string()
        if code == b"MODIFIED":
            self.expect(b" ")
            return self.uid_set()
        if code == b"URLMECH":
            self.expect(b" INTERNAL")
            return None
        if code == b"BADURL":
            self.expect(b" ")
            return self.match(_URL_TEXT, "url-resp-text").group()
        if code in (b"APPENDUID", b"COPYUID"):
            self.expect(b" ")
            value: list[Any] = [self.number(least=1)]
            for _ in range(1 if code == b"APPENDUID" else 2):
                self.expect(b" ")
                value.append(self.uid_set())
            return value
        raise AssertionError(f"unknown response code {code!r}")

    def _in_progress(self) -> tuple[bytes | None, int | None, int | None]:
        """``inprogress-tag SP inprogress-state ")"`` (RFC 9585 section 5)."""
        tag = self.nstring()
        self.expect(b" ")
        done = None if self.take(b"NIL") else self.number()
        self.expect(b" ")
        total = None if self.take(b"NIL") else self.number(least=1)
        assert total is None or (done is not None and done < total), f"{done} of {total} done"
        self.expect(b")")
        return tag, done, total

    # -- FETCH

    def _fetch(self) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}

        def item() -> None:
            label = self._label()
            self.expect(b" ")
            assert label not in found, f"{label!r} twice in {self.octets[:200]!r}"
            found[label] = self._item(label)

        self.list_of(item, 1)
        return found

    def _label(self) -> bytes:
        start = self.at
        word = self.match(re.compile(rb"[A-Z0-9.]+"), "item").group()
        if word in (b"BINARY", b"BINARY.SIZE"):
            self.match(re.compile(rb"\[(?:[1-9][0-9]*(?:\.[1-9][0-9]*)*)?\](?:<[0-9]+>)?"), "section-binary")
        elif word == b"BODY" and self.take(b"["):
            spec = self.match(_SECTION, "section")
            if spec[1].startswith(b"HEADER.FIELDS"):
                self.list_of(self.astring, 1)
            self.expect(b"]")
            if self.take(b"<"):
                self.number()
                self.expect(b">")
        return self.octets[start:self.at]

    def _item(self, label: bytes) -> Any:
        if label.startswith(b"BODY[") or label in (b"RFC822", b"RFC822.HEADER", b"RFC822.TEXT"):
            return self.nstring()
        match label:
            case b"FLAGS":
                return self.flags()
            case b"UID":
                return self.number(least=1)
            case b"RFC822.SIZE":
                return self.number()
            case b"INTERNALDATE":
                return self.match(_DATE_TIME, "date-time")[1]
            case b"MODSEQ":
                self.expect(b"(")
                modseq = self.number(MAX_63, 1)
                self.expect(b")")
                return modseq
            case b"ENVELOPE":
                return self._envelope()
            case b"BODY" | b"BODYSTRUCTURE":
                return self._body(label == b"BODYSTRUCTURE")
            case b"PREVIEW":
                return self.nstring()
            case b"EMAILID" | b"THREADID":
                return None if label == b"THREADID" and self.take(b"NIL") else self.match(_OBJECT_ID, "objectid")[1]
            case b"SAVEDATE":
                return None if self.take(b"NIL") else self.match(_DATE_TIME, "date-time")[1]
        if label.startswith(b"BINARY["):
            return self.literal8()
        assert label.startswith(b"BINARY.SIZE["), f"unknown item {label!r}"
        return self.number()

    def _envelope(self) -> list[Any]:
        self.expect(b"(")
        found: list[Any] = []
        for place in range(10):
            if place:
                self.expect(b" ")
            found.append(self._addresses() if 2 <= place <= 7 else self.nstring())
        self.expect(b")")
        return found

    def _addresses(self) -> list[list[bytes | None]] | None:
        if self.take(b"NIL"):
            return None
        self.expect(b"(")
        found = []
        while not self.take(b")"):
            self.expect(b"(")
            address = [self.nstring()]
            for _ in range(3):
                self.expect(b" ")
                address.append(self.nstring())
            self.expect(b")")
            found.append(address)
        assert found, "an empty list of addresses"
        return found

    def _body(self, extended: bool) -> list[Any]:
        self.expect(b"(")
        found: list[Any] = []
        if self.octets[self.at:self.at + 1] == b"(":
            parts = []
            while self.octets[self.at:self.at + 1] == b"(":
                parts.append(self._body(extended))
            self.expect(b" ")
            found = [parts, self.string()]
            extension: tuple[Callable[[], Any], ...] = (self._parameters, self._disposition, self._language, self.nstring)
        else:
            found = [self.string()]
            for read in (self.string, self._parameters, self.nstring, self.nstring, self.string, lambda: self.number(MAX_63)):
                self.expect(b" ")
                found.append(read())
            kind = found[0].lower(), found[1].lower()
            if kind in ((b"message", b"rfc822"), (b"message", b"global")):        # RFC 9051 section 9, media-message
                for read in (self._envelope, lambda: self._body(extended), lambda: self.number(MAX_63)):
                    self.expect(b" ")
                    found.append(read())
            elif kind[0] == b"text":
                self.expect(b" ")
                found.append(self.number(MAX_63))
            extension = (self.nstring, self._disposition, self._language, self.nstring)
        for read in extension:
            if self.octets[self.at:self.at + 1] == b")":
                break
            assert extended, f"extension data in BODY: {self.octets[:200]!r}"
            self.expect(b" ")
            found.append(read())
        self.expect(b")")
        return found

    def _parameters(self) -> list[Any] | None:
        if self.take(b"NIL"):
            return None
        found = self.list_of(self.string, 2)
        assert len(found) % 2 == 0, f"a parameter without a value: {found}"
        return found

    def _disposition(self) -> Any:
        if self.take(b"NIL"):
            return None
        self.expect(b"(")
        kind = self.string()
        self.expect(b" ")
        parameters = self._parameters()
        self.expect(b")")
        return kind, parameters

    def _language(self) -> Any:
        return self.list_of(self.string, 1) if self.octets[self.at:self.at + 1] == b"(" else self.nstring()


def _capability(reader: Reader) -> list[bytes]:
    found = []
    while reader.take(b" "):
        found.append(reader.match(_ATOM, "capability").group())
    assert b"IMAP4rev1" in found, found
    assert len(set(found)) == len(found), f"a capability twice: {found}"
    return found


def _numbers(reader: Reader) -> tuple[list[int], int]:
    """Of SEARCH and SORT: the numbers, and the mod-sequence if told."""
    found, modseq = [], 0
    while reader.take(b" "):
        if reader.take(b"(MODSEQ "):
            modseq = reader.number(MAX_63, 1)
            reader.expect(b")")
            break
        found.append(reader.number(least=1))
    return found, modseq


def _esearch(reader: Reader) -> dict[bytes, Any]:
    found: dict[bytes, Any] = {}
    if reader.take(b" (TAG "):
        found[b"TAG"] = reader.string()
        if reader.take(b" MAILBOX "):           # RFC 7377 section 4
            found[b"MAILBOX"] = reader.astring()
            reader.expect(b" UIDVALIDITY ")
            found[b"UIDVALIDITY"] = reader.number(least=1)
        reader.expect(b")")
    if reader.take(b" UID"):
        found[b"UID"] = True
    while reader.take(b" "):
        word = reader.match(_ATOM, "search return data").group()
        reader.expect(b" ")
        if word in (b"ADDTO", b"REMOVEFROM"):       # RFC 5267 section 5; several of each may be, in their order
            found.setdefault(b"UPDATES", []).append((word, _context_places(reader)))
            continue
        assert word not in found, f"{word!r} twice"
        if word == b"ALL":
            found[word] = reader.uid_set()
        elif word in (b"MIN", b"MAX"):
            found[word] = reader.number(least=1)
        elif word == b"COUNT":
            found[word] = reader.number()
        elif word == b"RELEVANCY":              # RFC 6203 section 7
            found[word] = reader.list_of(lambda: reader.number(100, 1))
        elif word == b"PARTIAL":
            reader.expect(b"(")
            found[word] = reader.match(re.compile(rb"-?[1-9][0-9]*:-?[1-9][0-9]*"), "partial-range").group()
            reader.expect(b" ")
            found[word] = (found[word], None if reader.take(b"NIL") else reader.uid_set())
            reader.expect(b")")
        else:
            assert word == b"MODSEQ", f"unknown return data {word!r}"
            found[word] = reader.number(MAX_63, 1)
    return found


def _context_places(reader: Reader) -> list[tuple[int, bytes]]:
    """``"(" context-position SP sequence-set *(SP context-position SP sequence-set) ")"``"""
    places = []
    reader.expect(b"(")
    while not places or reader.take(b" "):
        place = reader.number()
        reader.expect(b" ")
        places.append((place, reader.uid_set()))
    reader.expect(b")")
    return places


def _uid_batches(reader: Reader) -> tuple[bytes, list[tuple[int, int]]]:
    """RFC 10022 section 4; the newest first (section 3.1.2), none in two (section 3.1)."""
    reader.expect(b" (TAG ")
    tag, found = reader.string(), []
    reader.expect(b")")
    more = reader.take(b" ")
    while more:
        high = reader.number(least=1)
        reader.expect(b":")
        found.append((high, reader.number(least=1)))
        more = reader.take(b",")
    ends = [end for pair in found for end in pair]
    assert all(high >= low for high, low in found) and all(one > two for one, two in zip(ends[1::2], ends[2::2])), found
    return tag, found


def _list(reader: Reader) -> dict[str, Any]:
    reader.expect(b" ")
    flags = reader.flags()
    reader.expect(b" ")
    separator = None if reader.take(b"NIL") else reader.string()
    assert separator is None or len(separator) == 1
    reader.expect(b" ")
    found: dict[str, Any] = {"flags": flags, "name": reader.astring()}
    if reader.take(b" "):
        reader.expect(b'("')
        name = reader.match(re.compile(rb"CHILDINFO|OLDNAME"), "extended data").group()
        reader.expect(b'" ')
        found[name.decode().lower()] = reader.list_of(reader.astring if name == b"OLDNAME" else reader.string, 1)
        reader.expect(b")")
    return found


def _status(reader: Reader) -> tuple[bytes, dict[bytes, Any]]:
    reader.expect(b" ")
    name = reader.astring()
    reader.expect(b" ")
    found: dict[bytes, Any] = {}

    def item() -> None:
        word = reader.match(_STATUS_ITEM, "status-att").group()
        reader.expect(b" ")
        assert word not in found
        if word == b"MAILBOXID":
            found[word] = reader.match(_OBJECT_ID, "objectid")[1]
        else:
            found[word] = reader.number(MAX_63 if word in (b"SIZE", b"HIGHESTMODSEQ", b"DELETED-STORAGE") else MAX_32)

    reader.list_of(item)
    return name, found


def _thread(reader: Reader) -> bytes:
    start = reader.at
    if reader.take(b" "):
        while reader.octets[reader.at:reader.at + 1] == b"(":
            _thread_list(reader)
        assert reader.at > start + 1, "an empty thread list"
    return reader.octets[start:reader.at]


def _thread_list(reader: Reader) -> None:
    """``"(" (thread-members / thread-nested) ")"`` (RFC 5256 section 5), without recursion."""
    depth = 0
    while True:
        if reader.take(b"("):
            depth += 1
            if reader.octets[reader.at:reader.at + 1] != b"(":
                reader.number(least=1)
        elif reader.take(b")"):
            depth -= 1
            if not depth:
                return
        else:
            reader.expect(b" ")
            if reader.octets[reader.at:reader.at + 1] != b"(":
                reader.number(least=1)


def _namespace(reader: Reader) -> list[Any]:
    def one() -> Any:
        reader.expect(b"(")
        prefix = reader.string()
        reader.expect(b" ")
        separator = None if reader.take(b"NIL") else reader.string()
        reader.expect(b")")
        return prefix, separator

    found = []
    for _ in range(3):
        reader.expect(b" ")
        if reader.take(b"NIL"):
            found.append(None)
            continue
        reader.expect(b"(")
        spaces = []
        while not reader.take(b")"):
            spaces.append(one())
        assert spaces
        found.append(spaces)
    return found


def _id(reader: Reader) -> Any:
    reader.expect(b" ")
    if reader.take(b"NIL"):
        return None
    found = reader.list_of(reader.nstring)
    assert len(found) % 2 == 0 and None not in found[::2]
    return found


def _vanished(reader: Reader) -> tuple[bool, bytes]:
    earlier = reader.take(b" (EARLIER)")
    reader.expect(b" ")
    return earlier, reader.uid_set()


def _flags(reader: Reader) -> list[bytes]:
    reader.expect(b" ")
    return reader.flags()


def _enabled(reader: Reader) -> list[bytes]:
    found = []
    while reader.take(b" "):
        found.append(reader.match(_ATOM, "capability").group())
    return found


def _quota(reader: Reader) -> tuple[bytes, dict[bytes, tuple[int, int]]]:
    reader.expect(b" ")
    root = reader.astring()
    reader.expect(b" ")
    found: dict[bytes, tuple[int, int]] = {}

    def resource() -> None:
        name = reader.match(_ATOM, "resource").group()
        reader.expect(b" ")
        used = reader.number(MAX_63)
        reader.expect(b" ")
        found[name] = (used, reader.number(MAX_63))

    reader.list_of(resource)
    return root, found


_ENTRY = re.compile(rb"/(?:private|shared)(?:/[^/*%\x00-\x1f\x7f-\xff]+)+", re.IGNORECASE)


def _metadata(reader: Reader) -> tuple[bytes, dict[bytes, bytes | None] | list[bytes]]:
    """(mailbox, values by entry), or of a response without values (RFC 5464 section 4.4.2) the entries alone."""
    reader.expect(b" ")
    name = reader.astring()
    values: dict[bytes, bytes | None] = {}
    reader.expect(b" ")

    def entry() -> bytes:
        found = reader.astring()
        assert _ENTRY.fullmatch(found), f"no entry name: {found!r}"
        assert found not in values, f"{found!r} twice"
        return found

    def entry_value() -> None:
        found = entry()
        reader.expect(b" ")
        values[found] = reader.literal8()

    if reader.octets[reader.at:reader.at + 1] == b"(":
        reader.list_of(entry_value, 1)
        return name, values
    values[entry()] = None
    while reader.take(b" "):
        values[entry()] = None
    return name, list(values)


def _genurlauth(reader: Reader) -> list[bytes]:
    found = []
    while reader.take(b" "):
        found.append(reader.astring())
    assert found and all(_SIGNED.fullmatch(url) for url in found), found
    return found


def _urlfetch(reader: Reader) -> tuple[bytes, Any]:
    """``url-full SP nstring`` of one URL, or what is told of it by name (RFC 5524)."""
    reader.expect(b" ")
    url = reader.astring()
    reader.expect(b" ")
    if reader.octets[reader.at:reader.at + 1] != b"(":
        return url, reader.nstring()
    found: dict[bytes, Any] = {}
    while True:
        reader.expect(b"(")
        name = reader.match(re.compile(rb"BODYPARTSTRUCTURE|BODY|BINARY"), "url-metadata").group()
        reader.expect(b" ")
        found[name] = reader._body(True) if name == b"BODYPARTSTRUCTURE" else (
            reader.literal8() if name == b"BINARY" else reader.nstring())
        reader.expect(b")")
        if not reader.take(b" "):
            return url, found


def _quota_root(reader: Reader) -> tuple[bytes, list[bytes]]:
    reader.expect(b" ")
    name, roots = reader.astring(), []
    while reader.take(b" "):
        roots.append(reader.astring())
    return name, roots


def _rights(reader: Reader) -> bytes:
    """Small letters (RFC 4314 section 7), each once."""
    found = reader.astring()
    assert re.fullmatch(rb"[a-z0-9]*", found) and len(set(found)) == len(found), f"not rights: {found!r}"
    return found


def _acl(reader: Reader) -> tuple[bytes, dict[bytes, bytes]]:
    reader.expect(b" ")
    name = reader.astring()
    found: dict[bytes, bytes] = {}
    while reader.take(b" "):
        identifier = reader.astring()
        assert identifier not in found, f"{identifier!r} twice"
        reader.expect(b" ")
        found[identifier] = _rights(reader)
    return name, found


def _list_rights(reader: Reader) -> tuple[bytes, bytes, bytes, list[bytes]]:
    """No right is listed twice (RFC 4314 section 3.7)."""
    reader.expect(b" ")
    name = reader.astring()
    reader.expect(b" ")
    identifier = reader.astring()
    reader.expect(b" ")
    always, sets = _rights(reader), list[bytes]()
    while reader.take(b" "):
        sets.append(_rights(reader))
    every = always + b"".join(sets)
    assert len(set(every)) == len(every), f"a right twice: {every!r}"
    return name, identifier, always, sets


def _my_rights(reader: Reader) -> tuple[bytes, bytes]:
    reader.expect(b" ")
    name = reader.astring()
    reader.expect(b" ")
    return name, _rights(reader)


_DATA: dict[bytes, Callable[[Reader], Any]] = {
    b"CAPABILITY": _capability, b"FLAGS": _flags, b"LIST": _list, b"LSUB": _list, b"STATUS": _status, b"SEARCH": _numbers,
    b"SORT": _numbers, b"ESEARCH": _esearch, b"THREAD": _thread, b"NAMESPACE": _namespace, b"ID": _id, b"VANISHED": _vanished,
    b"ENABLED": _enabled, b"UIDBATCHES": _uid_batches, b"QUOTA": _quota, b"QUOTAROOT": _quota_root,
    b"ACL": _acl, b"LISTRIGHTS": _list_rights, b"MYRIGHTS": _my_rights, b"METADATA": _metadata,
    b"GENURLAUTH": _genurlauth, b"URLFETCH": _urlfetch,
}


@dataclass
class Stream:
    """A connection's octets as they come; strings may be UTF-8 once that was ENABLEd, and there are no numbers after UIDONLY."""

    utf8: bool = False
    uid_only: bool = False
    _buffer: bytearray = field(default_factory=bytearray)
    _scan: int = 0              # where to look for the end of the line
    _line: int = 0              # where the present line of the response begins: behind its last literal

    def feed(self, octets: bytes) -> list[Response]:
        self._buffer += octets
        found = []
        while (response := self._next()) is not None:
            if response.kind == b"ENABLED" and {b"UTF8=ACCEPT", b"IMAP4rev2"} & set(response.value):
                self.utf8 = True
            if response.kind == b"ENABLED" and b"UIDONLY" in response.value:
                self.uid_only = True
            if response.code == b"CAPABILITY" and any(word[:5] in (b"AUTH=", b"LOGIN") for word in response.code_value):
                self.utf8 = self.uid_only = False           # nobody is logged in (any more): nothing is enabled
            found.append(response)
        return found

    def _next(self) -> Response | None:
        while True:
            end = self._buffer.find(b"\n", self._scan)
            if end < 0:
                self._scan = max(len(self._buffer), self._line)
                return None
            assert end > self._line and self._buffer[end - 1] == 13, f"a line that does not end with CRLF: {self._buffer[:200]!r}"
            mark = _MARK.search(bytes(self._buffer[max(self._line, end - 30):end - 1]))
            if mark is None:
                octets = bytes(self._buffer[:end + 1])
                del self._buffer[:end + 1]
                self._scan = self._line = 0
                return Reader(octets, self.utf8, self.uid_only).response()
            self._scan = self._line = end + 1 + int(mark[1])
