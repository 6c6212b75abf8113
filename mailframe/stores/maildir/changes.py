"""What the writer does to the index when a look has found that other programs changed the files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import apsw

from mailframe.model.flags import MAX_KEYWORDS, FlagChange
from mailframe.model.mailbox import New
from mailframe.stores import keywords
from mailframe.stores.sqlite import arrivals, departures, flagging, keywordtable

from . import names, schema
from .look import Arrived, Difference
from .words import Letters

_ALL = (1 << 64) - 1
_FIRST = ord("a")


def letters_for(con: apsw.Connection, mailbox: int, words: Mapping[int, str], used: Sequence[bytes]) -> Letters:
    """How the letters in `used` are to be read; the mailbox's keyword table grows for them, as far as it can."""
    table = keywordtable.table(con, mailbox)
    letters = {letter for each in used for letter in each}
    wanted = [word for number, word in words.items() if _FIRST + number in letters]
    grown = (*table, *keywords.missing(table, wanted))[:MAX_KEYWORDS]
    keywordtable.grow(con, mailbox, table, grown)
    return Letters(dict(words), grown)


def take_in(con: apsw.Connection, mailbox: int, words: Mapping[int, str], files: Sequence[Arrived], saved: int) -> range:
    """Files that others have put there become messages; their UIDs."""
    used = [names.letters_of(each.name) for each in files]
    letters = letters_for(con, mailbox, words, used)
    messages = [New(b"", b"", letters.mask(flags), each.date, each.size) for each, flags in zip(files, used)]
    uids = arrivals.register(con, mailbox, messages, saved)
    schema.keep(con, mailbox, uids, [(each.fresh, each.name) for each in files])
    return uids


def take_over(con: apsw.Connection, mailbox: int, words: Mapping[int, str], difference: Difference, now: float) -> bool:
    """Removals and new names; whether anything changed that a mail program can see."""
    changed = False
    if difference.renamed:
        changed = _renamed(con, mailbox, words, difference.renamed)
    if difference.gone:
        changed |= bool(remove(con, mailbox, difference.gone, False, now))
    return changed


def remove(con: apsw.Connection, mailbox: int, uids: Sequence[int], only_deleted: bool, now: float) -> list[int]:
    """Expunge from the index; the UIDs that were there."""
    gone = departures.expunge(con, mailbox, uids, only_deleted, now)
    schema.forget(con, mailbox, gone)
    return gone


def _renamed(con: apsw.Connection, mailbox: int, words: Mapping[int, str], files: Sequence[tuple[int, bool, bytes]]) -> bool:
    letters = letters_for(con, mailbox, words, [names.letters_of(name) for _, _, name in files])
    by_flags: dict[int, list[int]] = {}
    for uid, _, name in files:
        by_flags.setdefault(letters.mask(names.letters_of(name)), []).append(uid)
    changed = False
    for mask, uids in by_flags.items():
        change = FlagChange(_ALL & ~letters.known, mask)      # what no letter can tell stays
        changed |= bool(flagging.set_flags(con, mailbox, sorted(uids), change, None).modseq)
    schema.keep(con, mailbox, [uid for uid, _, _ in files], [(fresh, name) for _, fresh, name in files])
    return changed
