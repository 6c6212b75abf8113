"""What the running server does for `mailframe queue ...`, by the words of the control connection."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from mailframe.app.control import ControlError, Handler
from mailframe.queue.spool import Spool


def handlers(spool: Spool, wake: Callable[[], None]) -> dict[str, Handler]:
    """What the running server does when asked; `wake` makes its runner look again."""
    acts: dict[str, Callable[[Sequence[int]], Awaitable[int]]] = {
        "retry": spool.retry, "hold": spool.hold, "release": spool.release, "remove": spool.remove,
    }

    async def listing(_: Mapping[str, Any]) -> Any:
        return await _listing(spool)

    def action(name: str) -> Handler:
        async def act(request: Mapping[str, Any]) -> int:
            ids = await _ids(spool, request["ids"])
            done = await acts[name](ids) if ids else 0
            wake()
            return done
        return act

    return {"queue list": listing} | {f"queue {name}": action(name) for name in acts}


async def _listing(spool: Spool) -> list[dict[str, Any]]:
    return [
        {
            "id": item.message.id, "envelope": item.message.envelope.id, "sender": str(item.message.envelope.sender or "<>"),
            "recipient": str(waiting.recipient), "created": item.message.created, "size": item.message.size,
            "tries": waiting.tries, "next_try": waiting.next_try, "held": waiting.held,
            "priority": waiting.priority, "release": item.message.envelope.hold_until or 0.0,
            "deliver_by": item.message.envelope.deliver_by.at if item.message.envelope.deliver_by else 0.0,
            "problem": waiting.problem.text if waiting.problem else "",
        }
        for item in await spool.list() for waiting in item.waiting
    ]


async def _ids(spool: Spool, words: Sequence[str]) -> list[int]:
    messages = [item.message for item in await spool.list()]
    everything = [message.id for message in messages]
    if list(words) == ["all"]:
        return everything
    in_the_log = {message.envelope.id: message.id for message in messages}
    try:
        wanted = [in_the_log[word] if word in in_the_log else int(word) for word in words]
    except ValueError:
        raise ControlError('ids are those that "mailframe queue list" shows, or "all"') from None
    unknown = set(wanted) - set(everything)
    if unknown:
        raise ControlError(f"nothing with the id {', '.join(map(str, sorted(unknown)))} waits in the queue")
    return wanted
