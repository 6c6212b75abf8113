"""What an operator may choose about messages on their way in, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, field

from mailframe.model.networks import checked_networks
from mailframe.model.solicitation import ANY, classes

from .filters import FilterSettings
from .route import RouteSettings


@dataclass(frozen=True, slots=True)
class PipelineSettings:
    """What every message meets on its way in, from whichever port."""

    max_octets: int = 50 * 1_048_576       # of one message, whichever way it comes; SIZE never announces more
    max_recipients: int = 1_000            # of one message: ten times what RFC 5321 section 4.5.3.1.8 demands
    max_received: int = 100                # Received fields: more is a loop (RFC 5321 section 6.3: at least 100)
    answer_vrfy: bool = False              # off: VRFY answers 252, for it tells spammers who exists (RFC 5321 section 7.3)
    answer_expn: bool = False              # off: EXPN answers 252, for it tells who is on a list (RFC 5321 section 7.3)
    no_soliciting: tuple[str, ...] = ()    # ["net.example:ADV"]: such mail from other servers is refused; ["*"]: all (RFC 3865)
    hide_client: bool = False              # leave the address of who submits out of Received
    relay_networks: tuple[str, ...] = ()   # "192.0.2.0/24", "unix" (any Unix socket): who may send anywhere without a login
    remember_s: float = 3_600.0            # half-delivered messages are remembered so long, so that a resend doubles nothing
    remember_messages: int = 1_000         # of these at most, some 300 octets each
    deadline_s: float = 240.0              # for one answer of a directory or an agent: clients wait 5 minutes (RFC 5321 4.5.3.2)
    route: RouteSettings = field(default_factory=RouteSettings)
    filters: FilterSettings = field(default_factory=FilterSettings)

    def __post_init__(self) -> None:
        object.__setattr__(self, "relay_networks", checked_networks("relay_networks", self.relay_networks))
        if set(self.no_soliciting) - {ANY}:
            try:
                classes(",".join(each for each in self.no_soliciting if each != ANY))
            except ValueError as error:
                raise ValueError(f"no_soliciting: {error}") from None
