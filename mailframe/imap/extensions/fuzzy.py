"""SEARCH=FUZZY (RFC 6203): strings are found by their words, in any order and without accents, and results have a relevancy.

Keys that are not about text match as they always do, which section 5 leaves to the server.
"""

from __future__ import annotations

from mailframe.interfaces.store import IFuzzySearch
from mailframe.model.query import And, Fuzzy, InBody, InHeader, InText, Not, Or, Query

from ..registry import Extension, State
from ..search import returning
from ..search.searchkeys import KeyReader, SearchKey, nested


def _fuzzy(reader: KeyReader) -> Query:
    """``"FUZZY" SP search-key``"""
    return fuzzily(nested(reader))


def fuzzily(query: Query) -> Query:
    """The same with every string in it looked for fuzzily."""
    match query:
        case InHeader(_, text) | InBody(text) | InText(text) if text:
            return Fuzzy(query)
        case Not(part):
            return Not(fuzzily(part))
        case And(parts):
            return And(tuple(map(fuzzily, parts)))
        case Or(parts):
            return Or(tuple(map(fuzzily, parts)))
        case _:
            return query


EXTENSION = Extension(
    capability=b"SEARCH=FUZZY", rfc="6203", needs=(IFuzzySearch,), announced=State.LOGGED_IN,
    search_keys=(SearchKey(b"FUZZY", _fuzzy),), search_returns=(returning.RELEVANCY,),
)
