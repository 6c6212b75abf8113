"""FILTERS (RFC 5466): searches kept under a name, among the server's annotations, and used as the search key FILTER."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.metadata import IMetadata
from mailframe.model.query import Everything, Query
from mailframe.model.refusal import Forbidden, Refusal

from ..annotations import MetadataEntry, account_of
from ..cursor import BadSyntax, Cursor
from ..registry import Bad, Context, Extension, State
from ..search.criteria import known_keys
from ..search.searchkeys import KeyReader, SearchKey, program

CHARSETS = frozenset((b"US-ASCII", b"ASCII", b"UTF-8"))
_NAME = re.compile(rb'[^\x00-\x20\x7f-\xff(){%*"\\\]/]+')
_ASKED = re.compile(rb"FILTER[ \t]", re.IGNORECASE)
_VALUES, _DESCRIPTIONS = "/filters/values/", "/filters/descriptions/"


class UndefinedFilter(Refusal):
    public = "No such filter, or it is no search"

    def __init__(self, name: bytes) -> None:
        super().__init__(imap_code=b"UNDEFINED-FILTER " + name)


class Filters:
    """The searches that one command may name. The private one of a name goes before the shared one (section 3.1)."""

    def __init__(self, entries: Mapping[str, bytes], charset: bytes, depth: int) -> None:
        self._entries = entries
        self._charset = charset
        self._depth = depth
        self._within: list[str] = []        # the filters whose values are being read: none of them may come again

    def query(self, name: bytes, reader: KeyReader) -> Query:
        """What the filter stands for, as one key. Raises UndefinedFilter, Bad."""
        if self._charset not in CHARSETS:
            raise Bad("A filter is in UTF-8", b"BADCHARSET (US-ASCII UTF-8)")
        key = name.decode("ascii").lower()
        value = self._entries.get("/private" + _VALUES + key, self._entries.get("/shared" + _VALUES + key))
        if value is None or key in self._within or len(self._within) >= self._depth:
            raise UndefinedFilter(name)
        self._within.append(key)
        reader.cursor.enter()
        inner = replace(reader, cursor=reader.cursor.nested(value), charset=b"UTF-8")
        try:
            found = program(inner)
            inner.cursor.end()
        except BadSyntax:
            raise UndefinedFilter(name) from None
        reader.cursor.leave()
        self._within.pop()
        reader.count, reader.timely = inner.count, inner.timely
        return found


async def _prepare(context: Context, keys: Cursor, charset: bytes) -> Filters | None:
    """Asked of the store only where a command may name one."""
    if not _ASKED.search(keys.data, keys.position):
        return None
    entries: Mapping[str, bytes] = await settled(account_of(context).metadata(None, context.account_name))
    return Filters(entries, charset, context.settings.max_filter_depth)


def _read(reader: KeyReader) -> Query:
    """``"FILTER" SP filter-name``"""
    reader.cursor.space()
    name = reader.cursor.match(_NAME, "Filter name").group()
    filters = reader.prepared.get(b"FILTER")
    if not isinstance(filters, Filters):
        return Everything()                 # only the syntax is looked at: filters may be made in any order
    return filters.query(name, reader)


def _check_value(context: Context, name: str, value: bytes | None) -> None:
    """A full and correct search (section 3.2)."""
    _check_name(name)
    if value is None:
        return
    reader = KeyReader(Cursor(value, utf8=True), known_keys(context), context.clock.seconds)
    try:
        value.decode("utf-8")
        program(reader)
        reader.cursor.end()
    except (BadSyntax, UnicodeDecodeError):
        raise Forbidden("The filter is no search") from None


def _check_description(_: Context, name: str, value: bytes | None) -> None:
    _check_name(name)
    try:
        (value or b"").decode("utf-8")
    except UnicodeDecodeError:
        raise Forbidden("The description is not UTF-8") from None


def _check_name(name: str) -> None:
    if not _NAME.fullmatch(name.split("/", 4)[4].encode()):
        raise Forbidden("Not the name of a filter")


EXTENSION = Extension(
    capability=b"FILTERS", rfc="5466", needs=(IMetadata,), announced=State.LOGGED_IN,
    search_keys=(SearchKey(b"FILTER", _read, _prepare),),
    metadata_entries=tuple(
        MetadataEntry((scope + below).encode(), of_server=True, check=check) for scope in ("/private", "/shared")
        for below, check in ((_VALUES, _check_value), (_DESCRIPTIONS, _check_description))),
)
