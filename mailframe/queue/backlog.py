"""What is known to be due and waits for a free place: bounded, by priority, fair among domains [pure]."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable

from .item import Waiting

Group = list[Waiting]
#: Recipients with the same key go in one hand-over: (message, own header lines, whether only the report is left).
_Key = tuple[int, bytes, bool]
_PATIENCE = 8       # times that a lower priority is passed over before it has a turn: it is slower, and never starves


class _Level:
    """Those of one priority (RFC 6710)."""

    def __init__(self, priority: int) -> None:
        self.priority = priority
        self.domains: OrderedDict[str, OrderedDict[_Key, Group]] = OrderedDict()
        self.counts: dict[str, int] = {}
        self.passed_over = 0

    def add(self, one: Waiting) -> None:
        final = one.problem is not None and one.problem.final
        groups = self.domains.setdefault(one.domain, OrderedDict())
        groups.setdefault((one.message_id, one.head, final), []).append(one)
        self.counts[one.domain] = self.counts.get(one.domain, 0) + 1

    def take(self, domain: str, most: int) -> Group:
        """At most so many of the domain's first group; the domain's next turn comes after all others'."""
        groups = self.domains[domain]
        key, group = next(iter(groups.items()))
        taken, rest = group[:most], group[most:]
        if rest:
            groups[key] = rest
        else:
            del groups[key]
        self.counts[domain] -= len(taken)
        if groups:
            self.domains.move_to_end(domain)
        else:
            del self.domains[domain], self.counts[domain]
        return taken


class Backlog:
    """Recipients by domain, in turn. What finds no room is remembered by its domain in `clogged`, and read again later."""

    def __init__(self, most: int, per_domain: int, group: int) -> None:
        self._most = most
        self._per_domain = per_domain
        self._group = group
        self._levels: list[_Level] = []                     # the highest priority first, none empty
        self._ids: set[int] = set()
        self.clogged: set[str] = set()

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def full(self) -> bool:
        """No more recipients are taken in, whatever their domain."""
        return len(self._ids) >= self._most

    def holds(self, domain: str) -> bool:
        """Whether any recipient of `domain` waits here."""
        return any(domain in level.domains for level in self._levels)

    def add(self, found: Iterable[Waiting], in_hand: Container[int], beyond: bool = False) -> bool:
        """Take in who is neither here nor `in_hand`; False when this one was full (twice, if `beyond`) before all were."""
        most = 2 * self._most if beyond else self._most
        for one in found:
            if one.id in self._ids or one.id in in_hand:
                continue
            if len(self._ids) >= most:
                return False
            level = self._level(one.priority)
            if level.counts.get(one.domain, 0) >= self._per_domain:
                self.clogged.add(one.domain)
                continue
            level.add(one)
            self._ids.add(one.id)
        return True

    def take(self, allowed: Callable[[str], bool]) -> Group | None:
        """The next hand-over to a domain that is `allowed`, each in its turn, higher priorities first; None: there is none."""
        best: tuple[_Level, str] | None = None
        for level in self._levels:
            if best is not None and level.passed_over < _PATIENCE:
                level.passed_over += 1
                continue
            domain = next((each for each in level.domains if allowed(each)), None)
            if domain is not None:
                if best is not None:
                    best[0].passed_over += 1
                best = level, domain
        if best is None:
            return None
        level, domain = best
        level.passed_over = 0
        taken = level.take(domain, self._group)
        if not level.domains:
            self._levels.remove(level)
        self._ids.difference_update(one.id for one in taken)
        return taken

    def _level(self, priority: int) -> _Level:
        place = next((place for place, level in enumerate(self._levels) if level.priority <= priority), len(self._levels))
        if place == len(self._levels) or self._levels[place].priority != priority:
            self._levels.insert(place, _Level(priority))
        return self._levels[place]
