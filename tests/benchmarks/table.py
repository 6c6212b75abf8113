"""Rows of a benchmark: each beside its mark, and beside other servers in the same run; printed as Markdown."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar

from peers import SQLITE, Peer, cpu_s
from store_seam import machine

LoadT = TypeVar("LoadT")
Done = tuple[int, float]        # operations, and how many of them a second


@dataclass(frozen=True)
class Row(Generic[LoadT]):
    """`mark`: operations a second; with `in_ms` milliseconds of one, and less is better. `before` prepares a run, unmeasured;
    `storage`: what we keep; `able`: whether a server can do it at all."""

    title: str
    mark: float
    work: Callable[[LoadT], Done]
    in_ms: bool = False
    before: Callable[[Peer], object] | None = None
    storage: str = SQLITE
    warm: bool = True
    able: Callable[[Peer], bool] = lambda peer: True


@dataclass
class Figures:
    """Of one row and one server."""

    figures: list[float] = field(default_factory=list)
    cpu_us: list[float] = field(default_factory=list)
    client_us: list[float] = field(default_factory=list)
    late: list[float] = field(default_factory=list)


class Table(Generic[LoadT]):
    """The first of `loads` is ours. `profiles`: a folder for a profile of each row of ours."""

    def __init__(self, loads: Mapping[Peer, LoadT], runs: int, profiles: Path | None) -> None:
        self.loads = loads
        self.peers = list(loads)
        self.runs, self.profiles = runs, profiles

    def prepare(self, row: Row[LoadT], peer: Peer) -> None:
        """Make `peer` ready for this row."""

    def head(self) -> None:
        others = "".join(f" {peer.name} | its CPU, us |" for peer in self.peers[1:])
        print(f"{machine()}; median of {self.runs} runs\n")
        print("| what | a second | of the runs | mark | CPU, us | client, us | late p99.9, ms | max, ms |" + others)
        print("|---|---:|---:|---:|---:|---:|---:|---:|" + "---:|---:|" * (len(self.peers) - 1), flush=True)

    def row(self, row: Row[LoadT], number: int) -> None:
        found = [self.measured(row, peer, number) if row.able(peer) else None for peer in self.peers]
        own = found[0]
        assert own is not None, "what we cannot do is no row"
        span = f"{shown(min(own.figures))}-{shown(max(own.figures))}"
        late = sorted(own.late) or [0.0]
        cells = [
            row.title + (" (ms)" if row.in_ms else ""), median(own.figures), span, shown(row.mark) if row.mark else "-",
            median(own.cpu_us), median(own.client_us), f"{late[int((len(late) - 1) * 0.999)]:.1f}", f"{late[-1]:.1f}",
        ]
        for other in found[1:]:
            cells += ("-", "-") if other is None else (median(other.figures), median(other.cpu_us))
        line(cells)

    def measured(self, row: Row[LoadT], peer: Peer, number: int) -> Figures:
        figures = Figures()
        load = self.loads[peer]
        self.prepare(row, peer)
        if row.warm:
            row.work(load)
        profiled = self.profiles if peer is self.peers[0] else None
        if profiled:
            peer.profile(None)
        for _ in range(self.runs):
            if row.before is not None:
                row.before(peer)
            peer.beat(False)
            server, client = cpu_s(peer.pid), time.process_time()
            done, rate = row.work(load)
            figures.figures.append(1000 / rate if row.in_ms else rate)
            figures.client_us.append(1e6 * (time.process_time() - client) / done)
            figures.cpu_us.append(1e6 * (cpu_s(peer.pid) - server) / done)
        if profiled:
            peer.profile(profiled / f"row{number}.prof")
        if row.before is not None:
            row.before(peer)
        peer.late()
        peer.beat(True)
        row.work(load)
        figures.late = peer.late()
        return figures


def line(cells: Sequence[str]) -> None:
    print("|", " | ".join(cells), "|", flush=True)


def median(figures: Sequence[float]) -> str:
    return shown(statistics.median(figures))


def shown(figure: float) -> str:
    return f"{figure:,.0f}" if figure >= 100 else f"{figure:.1f}" if figure >= 10 else f"{figure:.2f}"
