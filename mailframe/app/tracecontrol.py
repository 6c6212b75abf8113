"""What the running server does for `mailframe trace ...`, by the words of the control connection."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, cast

from mailframe.app.control import ControlError, Handler
from mailframe.app.meant import did_you_mean
from mailframe.tracing.choices import KINDS, Choice, Kind
from mailframe.tracing.traces import Traces

MOST_MINUTES = 1_440       # a day: what is wanted for longer stands in the configuration
MOST_CHOICES = 100         # each is compared with each new session


def handlers(traces: Traces, listeners: Collection[str]) -> dict[str, Handler]:
    """What the running server, which has these `listeners`, does when asked."""

    async def begin(request: Mapping[str, Any]) -> Any:
        kind, value, minutes = request.get("kind"), request.get("value"), request.get("minutes")
        if kind not in KINDS or not isinstance(value, str) or not isinstance(minutes, int | float):
            raise ControlError("whose sessions are to be traced is not clear")
        if not 0 < minutes <= MOST_MINUTES:
            raise ControlError(f"minutes are more than 0 and at most {MOST_MINUTES}; what is for longer belongs into [trace]")
        if kind == "listener" and value not in listeners:
            raise ControlError(f"{value!r} is no listener{did_you_mean(value, tuple(listeners))}")
        if kind == "client" and "@" in value:
            raise ControlError(f"{value!r} is no address of a client; of an account write --account {value}")
        if len(traces.choices) >= MOST_CHOICES:
            raise ControlError(f"{MOST_CHOICES} choices are enough; end them first")
        choice = Choice(cast(Kind, kind), value, traces.clock.seconds() + 60 * minutes, str(request.get("protocol", "")))
        traces.add(choice)
        return _told(choice)

    async def listing(_: Mapping[str, Any]) -> Any:
        return {"choices": [_told(each) for each in traces.choices], "running": traces.running}

    async def off(_: Mapping[str, Any]) -> Any:
        return traces.clear()

    return {"trace begin": begin, "trace list": listing, "trace off": off}


def _told(choice: Choice) -> dict[str, Any]:
    return {"kind": choice.kind, "value": choice.value, "until": choice.until, "protocol": choice.protocol}
