"""One session's picture of one mailbox; the only room that knows sequence numbers (I6, RFC 3501 section 7.4.1)."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache, reduce
from itertools import chain, compress, repeat, zip_longest
from operator import ne, or_

from mailframe.model.mailbox import Rows

from . import numset, writer
from .alike import MOST, Alike, alike
from .cursor import BadSyntax
from .numset import MessageSet, NumSet

PIECE = 1_000               # responses made without a pause
_UIDFETCH: Callable[[int], bytes] = b"* %d UIDFETCH (".__mod__
NONE_RECENT = 1 << 32       # what IRecent.claim_recent answers when there is none


class UidRequired(BadSyntax):
    """The client has given up message numbers (RFC 9586 section 3)."""

    code = b"UIDREQUIRED"

    def __init__(self) -> None:
        super().__init__("No message numbers once UIDONLY is enabled")


@dataclass(frozen=True, slots=True)
class Telling:
    """How a session wants to be told of changed flags."""

    keywords: Sequence[str] = ()    # the mailbox's table
    uid: bool = False               # name the UID as well: during a UID command, or with `modseq`
    modseq: bool = False            # the session is CONDSTORE-aware (RFC 7162)
    flags: bool = True              # tell of changed flags at all
    vanished: bool = False          # VANISHED with UIDs instead of EXPUNGE with numbers (RFC 7162 section 3.2.10)


class View:
    """Sequence number n is the n-th of `uids`.

      V1  `uids` is strictly ascending.
      V2  number n names `uids[n-1]`, and the client has been told so.
      V3  a UID leaves `uids` only in `tell()`, in the call that yields its EXPUNGE.

    So index spans got from `spans` stay good for as long as a command runs. `uids`, `flags` and `modseqs` are columns
    for reading; 20 octets a message, 12 for a store without mod-sequences.

    `uid_only` (RFC 9586): the client is told no numbers, and names no message by one; places in the columns are ours alone.
    """

    __slots__ = ("_alike", "_changed", "_gone", "_recent", "_told", "_told_recent", "flags", "modseqs", "saved", "touched",
                 "uid_only", "uids", "watch_modseq")

    def __init__(self, rows: Rows, recent_from: int = NONE_RECENT) -> None:
        """`rows` holds uids, flags and (or empty) modseqs of all messages; those from UID `recent_from` on are \\Recent."""
        self.uids: array[int] = rows.uids
        self.flags: array[int] = rows.flags
        self.modseqs: array[int] = rows.modseqs
        self.saved = array("I")             # what "$" stands for (RFC 5182): ascending UIDs
        self.watch_modseq = False           # tell of a mod-sequence that grew though the flags are the same
        self.touched: set[int] | None = None    # where somebody follows: UIDs that are new or changed since it was emptied
        self.uid_only = False
        self._gone: set[int] = set()
        self._changed: set[int] = set()
        #: Where `_changed` is part of what others are told, too: that, its places, and which of it.
        self._alike: tuple[Alike, tuple[int, ...], list[bool]] | None = None
        self._recent: list[tuple[int, int]] = []
        self.claim(recent_from)
        self._told = len(self.uids)         # how many messages the client knows of (EXISTS)
        self._told_recent = self.recent

    def __len__(self) -> int:
        """How many messages the client counts, once told (EXISTS)."""
        return len(self.uids)

    # -- numbers to UIDs and back

    def spans(self, chosen: MessageSet, *, strictly: bool = True) -> list[tuple[int, int]]:
        """Half-open, ascending, disjoint index spans [start, stop) of `uids`; the messages have numbers start+1 to stop.

        UIDs that are not there are passed over; a sequence number that is not there raises BadSyntax (answered BAD) unless
        not `strictly`, and any of them UidRequired where there are none.
        """
        exists = self._told
        if chosen.numbers.saved:
            return self._saved_spans(chosen, strictly)
        if self.uid_only and not chosen.by_uid:
            raise UidRequired
        if chosen.by_uid:
            greatest = self.uids[exists - 1] if exists else 0
            found = numset.spans(chosen.numbers.resolve(greatest), self.uids)
            return found if exists == len(self.uids) else [(low, min(high, exists)) for low, high in found if low < exists]
        if strictly and chosen.numbers.pairs and (not exists or chosen.numbers.highest > exists):
            raise BadSyntax("No message with that number")
        return [(low - 1, min(high, exists)) for low, high in chosen.numbers.resolve(exists) if low <= exists]

    def _saved_spans(self, chosen: MessageSet, strictly: bool) -> list[tuple[int, int]]:
        """Those of "$", and of what else the set names."""
        found = numset.spans(numset.ranges_of(self.saved), self.uids)
        if not chosen.numbers.pairs:
            return found
        found += self.spans(MessageSet(NumSet(chosen.numbers.pairs), chosen.by_uid), strictly=strictly)
        return [(low, high + 1) for low, high in numset.merged((start, stop - 1) for start, stop in found)]

    def resolve(self, chosen: MessageSet) -> array[int]:
        """The UIDs that `chosen` names, ascending; errors as `spans`. For commands that need every UID in hand."""
        return self.uids_in(self.spans(chosen))

    def uids_in(self, spans: Iterable[tuple[int, int]]) -> array[int]:
        found = array("I")
        for start, stop in spans:
            found += self.uids[start:stop]
        return found

    def rows(self, spans: Iterable[tuple[int, int]]) -> Rows:
        """The view's own columns of these messages."""
        found = Rows()
        for start, stop in spans:
            found.uids += self.uids[start:stop]
            found.flags += self.flags[start:stop]
            found.modseqs += self.modseqs[start:stop]
        return found

    def uid_ranges(self, spans: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
        """Spans as inclusive UID ranges for `IMailbox.rows`: one for each span, holes and all. What the store holds
        between and this view does not know is for the caller to pass over (`numbers` answers 0)."""
        return [(self.uids[start], self.uids[stop - 1]) for start, stop in spans]

    def since(self, modseq: int) -> list[tuple[int, int]]:
        """UID ranges of the messages with this mod-sequence or a greater one."""
        return numset.ranges_of(array("I", compress(self.uids, map(modseq.__le__, self.modseqs))))

    def changed_since(self, spans: Iterable[tuple[int, int]], modseq: int) -> list[tuple[int, int]]:
        """Of these index spans what has a greater mod-sequence."""
        found: list[tuple[int, int]] = []
        for start, stop in spans:
            places = array("I", compress(range(start, stop), map(modseq.__lt__, self.modseqs[start:stop])))
            found += [(low, high + 1) for low, high in numset.ranges_of(places)]
        return found

    def highest_modseq(self, uids: Sequence[int]) -> int:
        """The greatest mod-sequence of these ascending UIDs, all of them in the view and at least one."""
        return max(max(self.modseqs[start:stop]) for start, stop in numset.spans(numset.ranges_of(uids), self.uids))

    def number(self, uid: int) -> int:
        """The sequence number of `uid`; 0 when the client does not know it."""
        index = bisect_left(self.uids, uid, 0, self._told)
        return index + 1 if index < self._told and self.uids[index] == uid else 0

    def numbers(self, uids: Sequence[int]) -> array[int]:
        """The sequence numbers of ascending `uids`; 0 for those that the client does not know."""
        if not len(uids):
            return array("I")
        start = bisect_left(self.uids, uids[0], 0, self._told)
        stop = start + len(uids)
        if stop <= self._told and self.uids[start] == uids[0] and self.uids[start:stop] == uids:
            return array("I", range(start + 1, stop + 1))
        last = bisect_left(self.uids, uids[-1], start, self._told)
        if last < self._told and self.uids[last] == uids[-1] and uids[-1] - self.uids[start] == last - start:   # no UID is missing
            return array("I", map((start + 1 - self.uids[start]).__add__, uids))
        places = array("I", map(bisect_left, repeat(self.uids), uids, repeat(start), repeat(self._told)))
        if places[-1] < self._told and array("I", map(self.uids.__getitem__, places)) == array("I", uids):
            return array("I", map((1).__add__, places))
        return array("I", map(self.number, uids))

    def above(self, uid: int) -> int:
        """How many messages have a greater UID."""
        return len(self.uids) - bisect_right(self.uids, uid)

    def batches(self, size: int, first: int = 1, last: int | None = None) -> list[tuple[int, int]]:
        """UID ranges (greatest, least) of `size` messages each, the newest first, with nothing between them; the oldest one
        is of what is left, and reaches down to 1. Of these the `first` to the `last`, as far as they are there."""
        exists, uids = self._told, self.uids
        found = []
        for number in range(first, min(last or exists, -(-exists // size)) + 1):
            stop = exists - (number - 1) * size
            start = max(stop - size, 0)
            found.append((uids[stop - 1] if stop == exists else uids[stop] - 1, uids[start] if start else 1))
        return found

    def heads(self, start: int, stop: int) -> list[bytes]:
        """How a FETCH response begins, ``* n FETCH (``, for each message of an index span."""
        if self.uid_only:
            return list(map(_UIDFETCH, self.uids[start:stop]))
        return writer.heads(start + 1, stop + 1)

    def heads_of(self, uids: Sequence[int]) -> list[bytes]:
        """The same for messages that the client knows."""
        if self.uid_only:
            return list(map(_UIDFETCH, uids))
        return [b"* %d FETCH (" % number for number in self.numbers(uids)]

    # -- what the store says

    def apply(self, rows: Rows, vanished: Sequence[int] = ()) -> None:
        """Take in what `IMailbox.changes` said: nothing is told before `tell`."""
        if not len(vanished) and self._apply_alike(rows):
            return
        self._alike = None
        uids, modseqs = self.uids, rows.modseqs or repeat(0)
        if not self._is_known(rows):
            places = map(bisect_left, repeat(uids), rows.uids)      # looked up as it goes on: messages are added meanwhile
            for uid, flags, modseq, place in zip(rows.uids, rows.flags, modseqs, places):
                if place == len(uids):
                    self._append(uid, flags, modseq)
                elif uids[place] == uid:
                    self._change(place, uid, flags, modseq)
        for uid in vanished:
            place = bisect_left(uids, uid)
            if place < len(uids) and uids[place] == uid:
                self._gone.add(uid)

    def _apply_alike(self, rows: Rows) -> bool:
        """As `apply`, with what other views have found out about the same changes; False where that is not to be had."""
        if not (1 < len(rows) <= MOST and self.uids and rows.uids[-1] <= self.uids[-1] and self.touched is None
                and bool(self.modseqs) == bool(rows.modseqs)):
            return False
        same = alike(rows)
        if not same.find(self.uids):
            return False
        places, flags, modseqs = same.places, self.flags, self.modseqs
        differs = list(map(ne, map(flags.__getitem__, places), same.flags))
        if self.watch_modseq and modseqs:
            differs = list(map(or_, differs, map(ne, map(modseqs.__getitem__, places), same.modseqs)))
        for place, mask in zip(compress(places, differs), compress(same.flags, differs)):
            flags[place] = mask
        for place, modseq in zip(places, same.modseqs):
            modseqs[place] = modseq
        self._alike = None if self._changed else (same, places, differs)
        self._changed.update(compress(same.uids, differs))
        return True

    def _is_known(self, rows: Rows) -> bool:
        """Whether it all stands here already, side by side: after this session's own change of many flags."""
        start = bisect_left(self.uids, rows.uids[0]) if len(rows) else 0
        stop = start + len(rows)
        return (self.uids[start:stop] == rows.uids and self.flags[start:stop] == rows.flags
                and (not self.modseqs or not rows.modseqs or self.modseqs[start:stop] == rows.modseqs))

    def _append(self, uid: int, flags: int, modseq: int) -> None:
        self.uids.append(uid)
        self.flags.append(flags)
        if self.touched is not None:
            self.touched.add(uid)
        if self.modseqs or len(self.uids) == 1:
            self.modseqs.append(modseq)

    def _change(self, place: int, uid: int, flags: int, modseq: int) -> None:
        if self.touched is not None and (self.flags[place] != flags or (self.modseqs and self.modseqs[place] != modseq)):
            self.touched.add(uid)
        if self.flags[place] != flags:
            self.flags[place] = flags
            self._changed.add(uid)
        if self.modseqs and self.modseqs[place] != modseq:
            self.modseqs[place] = modseq
            if self.watch_modseq:
                self._changed.add(uid)

    def differs(self, rows: Rows) -> tuple[Rows, list[int]]:
        """What `apply` would be given if the store had said itself how it came to hold `rows`, all of its messages: for a
        store that cannot say what changed."""
        if rows.uids == self.uids and rows.flags == self.flags:
            return Rows(), []
        return rows, sorted(set(self.uids).difference(rows.uids))

    def told(self, rows: Rows) -> None:
        """The client has just been told these uids' flags and modseqs by the running command: nothing is left to tell."""
        self._alike = None
        if self.touched is not None:
            self._touch(rows)
        start = bisect_left(self.uids, rows.uids[0]) if len(rows) else 0
        stop = start + len(rows)
        if self.uids[start:stop] == rows.uids:          # side by side, as they mostly are
            self.flags[start:stop] = rows.flags
            if self.modseqs and rows.modseqs:
                self.modseqs[start:stop] = rows.modseqs
            self._changed.difference_update(rows.uids)
            return
        for index, uid in enumerate(rows.uids):
            place = bisect_left(self.uids, uid)
            if place < len(self.uids) and self.uids[place] == uid:
                self.flags[place] = rows.flags[index]
                if self.modseqs and rows.modseqs:
                    self.modseqs[place] = rows.modseqs[index]
                self._changed.discard(uid)

    def _touch(self, rows: Rows) -> None:
        """Note what of `rows` is not as it stands here."""
        assert self.touched is not None
        for uid, flags, modseq in zip_longest(rows.uids, rows.flags, rows.modseqs, fillvalue=0):
            place = bisect_left(self.uids, uid)
            if place < len(self.uids) and self.uids[place] == uid and (
                self.flags[place] != flags or (self.modseqs and rows.modseqs and self.modseqs[place] != modseq)
            ):
                self.touched.add(uid)

    @property
    def gone(self) -> list[int]:
        """What the store has expunged though the client was not told yet, ascending."""
        return sorted(self._gone)

    @property
    def last_told(self) -> int:
        """The UID of the last message that the client knows of; 0 when it knows of none."""
        return self.uids[self._told - 1] if self._told else 0

    def after(self, uid: int) -> list[tuple[int, int]]:
        """The index spans of the messages with greater UIDs."""
        start = bisect_left(self.uids, uid + 1)
        return [(start, len(self.uids))] if start < len(self.uids) else []

    @property
    def owes_expunge(self) -> bool:
        """Whether messages are gone that the client still counts."""
        return bool(self._gone)

    def is_gone(self, uid: int) -> bool:
        """Whether the store has expunged it though the client was not told yet."""
        return uid in self._gone

    # -- \Recent

    def claim(self, recent_from: int) -> None:
        """Messages from this UID on were recent when `IRecent.claim_recent` was asked; call before `tell`."""
        last = self.uids[-1] if self.uids else 0
        if recent_from <= last:
            self._recent.append((recent_from, last))

    def is_recent(self, uid: int) -> bool:
        return any(low <= uid <= high for low, high in self._recent)

    @property
    def recent_ranges(self) -> Sequence[tuple[int, int]]:
        """Inclusive UID ranges whose messages are \\Recent in this session; mostly empty."""
        return self._recent

    @property
    def recent(self) -> int:
        """How many messages are \\Recent in this session."""
        return sum(stop - start for start, stop in numset.spans(self._recent, self.uids)) if self._recent else 0

    # -- what the client is told

    @property
    def has_news(self) -> bool:
        return bool(self._gone or self._changed or self.touched or self._told != len(self.uids))

    def changed_mask(self) -> int:
        """All flags of the messages that are new or changed and to be told of: for seeing whether a keyword is new."""
        mask = reduce(or_, self.flags[self._told:], 0)
        if self._alike is not None:
            return mask | self._alike[0].mask
        return reduce(or_, map(self.flags.__getitem__, map(bisect_left, repeat(self.uids), self._changed)), mask)

    def tell(self, how: Telling, expunge: bool) -> list[bytes]:
        """Untagged responses, complete lines, that make the client's picture this one (all but EXPUNGE if not `expunge`)."""
        return list(chain.from_iterable(self.telling(how, expunge)))

    def telling(self, how: Telling, expunge: bool) -> Iterator[list[bytes]]:
        """`tell` in pieces of a millisecond or two; between them the caller may let others run, but not change the view."""
        if expunge and self._gone:
            gone = sorted(self._gone)
            while gone:
                piece = gone[-PIECE:]
                del gone[-PIECE:]
                numbers = self._forget(piece)
                if (how.vanished or self.uid_only) and numbers:
                    yield [b"* VANISHED " + numset.render_numbers(piece[:len(numbers)]) + b"\r\n"]
                else:
                    yield [b"* %d EXPUNGE\r\n" % number for number in numbers]
        yield self._counts()
        if not how.flags:
            return
        if self._alike is not None and not self._gone and not self._recent:
            lines = self._alike_lines(*self._alike, how)
            self._alike = None
            self._changed.clear()
            yield lines
            return
        changed = sorted(self._changed.difference(self._gone))
        self._changed.clear()
        self._alike = None
        for start in range(0, len(changed), PIECE):
            yield self._fetch_lines(changed[start:start + PIECE], how)

    def describing(self, spans: Iterable[tuple[int, int]], how: Telling) -> Iterator[list[bytes]]:
        """The flags of these messages as untagged FETCH responses, in pieces."""
        for start, stop in spans:
            for place in range(start, stop, PIECE):
                yield self._fetch_lines(self.uids[place:min(place + PIECE, stop)], how)

    def _counts(self) -> list[bytes]:
        lines = []
        if len(self.uids) != self._told:
            self._told = len(self.uids)
            lines.append(b"* %d EXISTS\r\n" % self._told)
        recent = self.recent
        if recent != self._told_recent:
            self._told_recent = recent
            lines.append(b"* %d RECENT\r\n" % recent)
        return lines

    def _forget(self, gone: list[int]) -> list[int]:
        """Remove these, ascending and the last of what is gone; their sequence numbers, the greatest first, so that each
        is still right when it is told."""
        told, self._alike = self._told, None
        places = [bisect_left(self.uids, uid) for uid in gone]
        self._gone.difference_update(gone)
        self._changed.difference_update(gone)       # where flags are not told, they may have waited
        self._told -= sum(place < told for place in places)
        columns = [self.uids, self.flags] + ([self.modseqs] if self.modseqs else [])
        for column in columns:
            _remove(column, places)
        return [place + 1 for place in reversed(places) if place < told]

    def _alike_lines(self, same: Alike, places: tuple[int, ...], differs: list[bool], how: Telling) -> list[bytes]:
        """Those that differ, of lines that are shared; unless another view has other numbers for them meanwhile."""
        if same.places != places:
            return self._fetch_lines(list(compress(same.uids, differs)), how)
        kind = (self.uid_only, how.uid or how.modseq, how.modseq and bool(self.modseqs), tuple(how.keywords))
        lines = same.lines.get(kind)
        if lines is None:
            lines = same.lines[kind] = self._fetch_lines(same.uids, how)
        return list(compress(lines, differs))

    def _fetch_lines(self, uids: Sequence[int], how: Telling) -> list[bytes]:
        """By columns: of one STORE each other session in the mailbox is told."""
        places = array("I", map(bisect_left, repeat(self.uids), uids))
        line = b"* %d UIDFETCH (" if self.uid_only else b"* %d FETCH ("
        columns: list[Iterable[object]] = [uids if self.uid_only else map((1).__add__, places)]
        if (how.uid or how.modseq) and not self.uid_only:
            line += b"UID %d "
            columns.append(uids)
        line += b"FLAGS %b"
        columns.append(self._flag_lists(uids, places, tuple(how.keywords)))
        if how.modseq and self.modseqs:
            line += b" MODSEQ (%d)"
            columns.append(map(self.modseqs.__getitem__, places))
        line += b")\r\n"
        return list(map(line.__mod__, zip(*columns)))

    def _flag_lists(self, uids: Sequence[int], places: Sequence[int], keywords: tuple[str, ...]) -> Iterable[bytes]:
        """Many have the same flags, as they mostly have when another session changes them."""
        flags = list(map(self.flags.__getitem__, places))
        if self._recent:
            return [_rendered(mask, keywords, self.is_recent(uid)) for mask, uid in zip(flags, uids)]
        known = {mask: _rendered(mask, keywords, False) for mask in set(flags)}
        return map(known.__getitem__, flags)


_rendered = lru_cache(1_024)(writer.flags)


def _remove(column: array[int], places: Sequence[int]) -> None:
    """Delete the items at ascending `places`, in one pass whatever their number."""
    if len(places) < 4:
        for place in reversed(places):
            del column[place]
        return
    kept = array(column.typecode)
    start = 0
    for place in places:
        kept += column[start:place]
        start = place + 1
    kept += column[start:]
    column[:] = kept
