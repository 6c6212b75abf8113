"""What can be set about a POP3 server, each limit with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

PlaintextLogin = Literal["tls", "loopback", "always"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pop3Settings:
    """A POP3 listener's manners and limits. Wrong values raise ValueError with a sentence that names the key."""

    banner: str = "POP3 ready"                # says nothing about versions, and holds no <...>: that would offer APOP
    plaintext_login: PlaintextLogin = "tls"   # where USER/PASS, AUTH PLAIN and LOGIN may be used
    idle_timeout_s: float = 600.0             # RFC 1939 section 3: at least 10 minutes; also for a client that does not read
    login_timeout_s: float = 60.0             # for the checker and for opening the maildrop, then a temporary failure
    command_timeout_s: float = 120.0          # a store that has not answered by then costs the command, not the session (I7)
    close_timeout_s: float = 60.0             # for a client to take our last 64 KiB before the connection is cut: 1 KiB/s
    max_line_octets: int = 512                # RFC 2449 section 4 asks for 255; long addresses in UTF-8 want more
    max_auth_line_octets: int = 12_288        # RFC 4954 section 4.5 for SMTP; RFC 5034 leaves it open
    max_errors: int = 20                      # bad commands before we hang up: nobody gets so many wrong by mistake
    max_auth_failures: int = 3                # per connection: guessing must pay for a new connection
    auth_failure_delay_s: float = 1.0         # slows guessing, too short to annoy
    max_connections: int = 1_000              # a file descriptor and some 10 KiB each
    max_connections_per_ip: int = 100         # one peer must not take them all (I3)

    def __post_init__(self) -> None:
        if not (self.banner.isascii() and self.banner.isprintable() and len(self.banner) <= 200):
            raise ValueError("banner must be one short line of printable ASCII")
        if "<" in self.banner:
            raise ValueError('banner must not hold "<": clients would take it for an offer of APOP (RFC 1939 section 7)')
        if self.plaintext_login not in get_args(PlaintextLogin):
            raise ValueError(f"plaintext_login must be one of {', '.join(get_args(PlaintextLogin))}, not {self.plaintext_login!r}")
        for key in _POSITIVE:
            if getattr(self, key) <= 0:
                raise ValueError(f"{key} must be greater than 0, not {getattr(self, key)!r}")
        if self.auth_failure_delay_s < 0:
            raise ValueError("auth_failure_delay_s must not be negative")


_POSITIVE = (
    "idle_timeout_s", "login_timeout_s", "command_timeout_s", "close_timeout_s", "max_line_octets", "max_auth_line_octets",
    "max_errors", "max_auth_failures", "max_connections", "max_connections_per_ip",
)
