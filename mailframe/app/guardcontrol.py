"""What the running server does for `mailframe guards ...`, by the words of the control connection."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address
from typing import Any

from mailframe.app.control import ControlError, Handler
from mailframe.filters.guard import Guard


def handlers(guards: Sequence[Guard]) -> dict[str, Handler]:
    """What the running server does when asked about its guards."""

    async def listing(_: Mapping[str, Any]) -> Any:
        return [{"guard": guard.name, "told": dict(await guard.told())} for guard in guards]

    async def forget(request: Mapping[str, Any]) -> Any:
        try:
            ip = str(ip_address(request["address"]))
        except ValueError:
            raise ControlError(f"{request['address']!r} is no address; write one like 192.0.2.1") from None
        return {guard.name: await guard.forget(ip) for guard in guards}

    return {"guards list": listing, "guards forget": forget}
