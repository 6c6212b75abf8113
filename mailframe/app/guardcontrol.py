"""What the running server does for `mailframe guards ...`, by the words of the control connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from mailframe.app.control import ControlError, Handler
from mailframe.filters.bans import Bans
from mailframe.filters.guard import Guard
from mailframe.model.domain import canonical_domain

MOST_MINUTES = 44_640       # a month: what is wanted for longer stands in the configuration


def handlers(guards: Sequence[Guard]) -> dict[str, Handler]:
    """What the running server does when asked about its guards."""

    async def listing(_: Mapping[str, Any]) -> Any:
        return [{"guard": guard.name, "refused": guard.refused, "only_log": guard.only_log, "told": dict(await guard.told())}
                for guard in guards]

    async def show(request: Mapping[str, Any]) -> Any:
        who = _who(request)
        return [{"guard": guard.name, "known": known} for guard in guards if (known := list(await guard.known(who)))]

    async def forget(request: Mapping[str, Any]) -> Any:
        who = _who(request)
        return {guard.name: await guard.forget(who) for guard in guards}

    async def ban(request: Mapping[str, Any]) -> Any:
        ip, minutes = _ip(str(request.get("address"))), request.get("minutes")
        if ip is None:
            raise ControlError(f"{request.get('address')!r} is no address; write one like 192.0.2.1")
        if not isinstance(minutes, int | float) or not 0 < minutes <= MOST_MINUTES:
            raise ControlError(f"minutes are more than 0 and at most {MOST_MINUTES}; who is unwanted for longer belongs into "
                               "always of [guards.bans]")
        for guard in guards:
            if isinstance(guard, Bans):
                return guard.ban(ip, 60 * minutes, "by the operator")
        raise ControlError("bans are off: [guards.bans] has no role that a listener has, or [guards] enabled = false")

    return {"guards list": listing, "guards show": show, "guards forget": forget, "guards ban": ban}


def _who(request: Mapping[str, Any]) -> str:
    """An address, or a domain, under which the greylist knows a provider's hosts. Raises ControlError."""
    text = str(request.get("address"))
    ip = _ip(text)
    if ip is not None:
        return ip
    try:
        name = canonical_domain(text)
    except ValueError:
        name = ""
    if "." not in name or name.rpartition(".")[2].isdigit() or name.startswith("["):
        raise ControlError(f"{text!r} is no address; write one like 192.0.2.1, or a domain that the greylist has named")
    return name


def _ip(text: str) -> str | None:
    try:
        return str(ip_address(text))
    except ValueError:
        return None
