"""What the guards cost a message and a connection of a stranger, at the seam of the filters: python tests/benchmarks/guards.py

Everything is as in the middle of a day: addresses, names and domains have been looked up, triplets have passed. The difference
to "none" is the guards' share; each figure is the best of several rounds.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any, cast

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.guardworld import GuardWorld

from mailframe.auth.limiter import LoginLimiter
from mailframe.filters import reverse, sender
from mailframe.filters.greylist import Greylist, GreylistSettings
from mailframe.filters.guards import GuardsSettings, guards
from mailframe.filters.rates import RatesSettings
from mailframe.filters.recipients import RecipientsSettings
from mailframe.filters.reverse import ReverseDns
from mailframe.filters.sender import SenderDomain
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer, Recipient
from mailframe.pipeline.filters import Filters, FilterSettings

MUCH = 1_000_000_000
ADDRESSES = 1_000
ROUNDS = 20
DEFAULT = {
    "rates": RatesSettings(connections=MUCH, messages=MUCH, recipients=MUCH, network_connections=MUCH, network_messages=MUCH,
                           network_recipients=MUCH, at_once=MUCH),
    "recipients": RecipientsSettings(per_connection=MUCH, per_hour=MUCH),
}
BOB = Recipient(Address.parse("bob@example.org"))


def main() -> None:
    greylist: Any = {**DEFAULT, "greylist": GreylistSettings(roles=("mx",))}
    default: Any = DEFAULT
    for title, settings, strangers in (
        ("no guards", GuardsSettings(enabled=False), True), ("as by default", GuardsSettings(**default), True),
        ("with the greylist", GuardsSettings(**greylist), True), ("from this machine", GuardsSettings(**default), False),
    ):
        filters, peers = ready(settings, "192.0" if strangers else "127.0")
        envelopes = [Envelope(f"e{number}", Address.parse("a@far.example"), peer) for number, peer in enumerate(peers)]
        print(f"{title:<20} a message {best(partial(message, filters), envelopes):5.1f} us, "
              f"a connection {best(partial(connection, filters), peers):5.1f} us")


def ready(settings: GuardsSettings, half: str) -> tuple[Filters, list[Peer]]:
    """Filters that know everybody already."""
    world = GuardWorld()
    clock, never = cast(Any, world.clock), float("inf")
    made = guards(settings, {"mx"}, reactor=clock, resolver=cast(Any, None), engine=cast(Any, world.engine),
                  own_names=["mx.example"], logins=LoginLimiter(clock.seconds))
    addresses = [f"{half}.{number >> 8}.{number & 255}" for number in range(ADDRESSES)]
    for guard in made:
        for ip in addresses:
            if isinstance(guard, ReverseDns):
                guard._known.put(ip, (reverse.Found.CONFIRMED, "mail.far.example"), never)
            elif isinstance(guard, Greylist):
                guard._fresh.put(ip.rpartition(".")[0] + ".0/24", True, never)
        if isinstance(guard, SenderDomain):
            guard._known.put("far.example", sender.Found.GOOD, never)
    filters = Filters(made, FilterSettings(), clock)
    peers = [Peer(ip, 1_000, helo="mail.far.example", role="mx") for ip in addresses]
    for peer in peers:
        connection(filters, peer)
    return filters, peers


def message(filters: Filters, envelope: Envelope) -> None:
    at_once(filters.sender(envelope))
    at_once(filters.recipient(envelope, BOB))


def connection(filters: Filters, peer: Peer) -> None:
    at_once(filters.connection(peer))
    filters.greeting_delay(peer)
    at_once(filters.hello(peer))
    filters.disconnected(peer)


def at_once(work: Coroutine[Any, Any, Any]) -> None:
    try:
        work.send(None)
    except StopIteration:
        return
    raise AssertionError("it waits")


def best(work: Callable[[Any], None], over: Sequence[Any]) -> float:
    """Microseconds for one, in the quickest of some rounds."""
    found = []
    for _ in range(ROUNDS):
        begun = perf_counter()
        for each in over:
            work(each)
        found.append((perf_counter() - begun) / len(over) * 1e6)
    return min(found)


if __name__ == "__main__":
    main()
