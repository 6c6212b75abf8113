"""When to try again, and when to give up [pure]."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class RetrySettings:
    """The rhythm of retries and what the runner may do at once."""

    first_delay_s: float = 300.0            # greylisting lets in after minutes; later tries grow beyond RFC 5321's 30 minutes
    factor: float = 2.0                     # growth from try to try
    max_delay_s: float = 4 * 3_600          # a host that comes back after days gets its mail within hours
    jitter: float = 0.2                     # part of each delay drawn by lot, so that a mended host is not met by all at once
    give_up_after_s: float = 5 * 86_400     # RFC 5321 section 4.5.4.1: at least 4-5 days
    bounce_give_up_after_s: float = 2 * 86_400   # reports that nobody takes: sooner
    warn_after_s: float | None = None       # 14_400 would tell senders after 4 hours, once, that mail is late; none: never
    ask_warn_after_s: float = 4 * 3_600     # the same for those who asked with NOTIFY=DELAY
    max_returned_octets: int = 1_048_576    # come back whole for RET=FULL, of more the header: a report should not be a burden
    deadline_s: float = 3 * 3_600           # one hand-over, whole: a next hop that dribbles is given up for now
    max_running: int = 50                   # hand-overs at once: sockets and memory (a few hundred KiB each)
    max_per_domain: int = 10                # of these to one domain: hosts refuse those who come with more
    max_recipients: int = 100               # of one message in one hand-over: what every server takes (RFC 5321 section 4.5.3.1.8)

    def __post_init__(self) -> None:
        """Raises ValueError with a sentence that names the key."""
        for key in ("max_running", "max_per_domain", "max_recipients", "deadline_s"):
            if getattr(self, key) <= 0:
                raise ValueError(f"{key} must be greater than 0")
        for item in fields(self):
            if (getattr(self, item.name) or 0) < 0:
                raise ValueError(f"{item.name} must not be negative")
        if self.factor < 1:
            raise ValueError("factor must not be less than 1, or each try would come sooner than the last")
        if self.jitter > 1:
            raise ValueError("jitter must be from 0 to 1")


def next_try(settings: RetrySettings, tries: int, now: float, random: Callable[[], float]) -> float:
    """When to try again after `tries` (1 or more) failures; `random` yields 0 to 1. Seconds since the epoch, as `now`."""
    delay = settings.first_delay_s
    for _ in range(min(tries, 64) - 1):
        delay *= settings.factor
        if delay >= settings.max_delay_s:
            delay = settings.max_delay_s
            break
    return now + delay * (1 - settings.jitter / 2 + settings.jitter * random())


def expires(settings: RetrySettings, created: float, is_report: bool) -> float:
    """When a message is given up: after the last try before this instant has failed."""
    return created + (settings.bounce_give_up_after_s if is_report else settings.give_up_after_s)


def warn_at(settings: RetrySettings, created: float, notify: frozenset[str]) -> float | None:
    """When the sender is to be told that a recipient's copy is late; None: never (RFC 3461 section 4.1)."""
    if "DELAY" in notify:
        return created + min(settings.ask_warn_after_s, settings.warn_after_s or settings.ask_warn_after_s)
    if notify or settings.warn_after_s is None:
        return None
    return created + settings.warn_after_s
