"""What is known to be due and waits for a free place: bounded, fair among domains [pure]."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Container, Iterable

from .item import Waiting

Group = list[Waiting]
#: Recipients with the same key go in one hand-over: (message, own header lines, whether only the report is left).
_Key = tuple[int, bytes, bool]


class Backlog:
    """Recipients by domain, in turn. What finds no room is remembered by its domain in `clogged`, and read again later."""

    def __init__(self, most: int, per_domain: int, group: int) -> None:
        self._most = most
        self._per_domain = per_domain
        self._group = group
        self._domains: OrderedDict[str, OrderedDict[_Key, Group]] = OrderedDict()
        self._counts: dict[str, int] = {}
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
        return domain in self._domains

    def add(self, found: Iterable[Waiting], in_hand: Container[int], beyond: bool = False) -> bool:
        """Take in who is neither here nor `in_hand`; False when this one was full (twice, if `beyond`) before all were."""
        most = 2 * self._most if beyond else self._most
        for one in found:
            if one.id in self._ids or one.id in in_hand:
                continue
            if len(self._ids) >= most:
                return False
            if self._counts.get(one.domain, 0) >= self._per_domain:
                self.clogged.add(one.domain)
                continue
            final = one.problem is not None and one.problem.final
            groups = self._domains.setdefault(one.domain, OrderedDict())
            groups.setdefault((one.message_id, one.head, final), []).append(one)
            self._counts[one.domain] = self._counts.get(one.domain, 0) + 1
            self._ids.add(one.id)
        return True

    def take(self, allowed: Callable[[str], bool]) -> Group | None:
        """The next hand-over to a domain that is `allowed`, each domain in its turn; None: there is none."""
        domain = next((each for each in self._domains if allowed(each)), None)
        if domain is None:
            return None
        groups = self._domains[domain]
        key, group = next(iter(groups.items()))
        taken, rest = group[:self._group], group[self._group:]
        if rest:
            groups[key] = rest
        else:
            del groups[key]
        self._ids.difference_update(one.id for one in taken)
        self._counts[domain] -= len(taken)
        if groups:
            self._domains.move_to_end(domain)
        else:
            del self._domains[domain], self._counts[domain]
        return taken
