"""The IMAP server's settings: a value with a reason beside each number."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class ImapSettings:
    """An IMAP listener's manners and limits."""

    hostname: str = "localhost"
    plaintext_login: Literal["tls", "loopback", "always"] = "loopback"  # LOGIN without TLS (RFC 3501 section 6.2.3)
    idle_timeout_s: float = 1_800.0             # of silence once logged in; RFC 3501 section 5.4: at least 30 minutes
    login_timeout_s: float = 120.0              # of silence before: a client that wants to log in does so at once
    command_timeout_s: float = 120.0            # a store that has not answered by then costs the command, not the session (I7)
    write_timeout_s: float = 300.0              # a client that takes nothing of its answer for so long is gone
    max_bad_before_login: int = 10              # whoever speaks something else (HTTP, a scanner) is soon sent away
    max_bad_commands: int = 50                  # in a row, once logged in: a client gone wild
    max_login_failures: int = 5                 # per connection; guessing costs a new connection
    login_failure_delay_s: float = 2.0          # slows guessing, and hides whether the user exists
    max_line_before_login_octets: int = 8_192   # RFC 7162 section 4 asks for 8,192 at least; SASL responses fit
    max_command_before_login_octets: int = 65_536   # all literals together: a stranger gets no memory from us
    max_line_octets: int = 65_536               # sets of thousands of UIDs (RFC 7162 section 4)
    max_command_octets: int = 1_048_576         # all literals together, but for streamed messages
    max_message_octets: int = 52_428_800        # of one APPEND
    max_pipelined_octets: int = 262_144         # read ahead while a command runs; then the client has to wait
    max_connections: int = 10_000               # file descriptors are finite
    max_connections_per_ip: int = 50            # mail programs open 5 or so; offices share an address. Webmail on loopback is free
    max_mailbox_name_octets: int = 1_000        # RFC 9051 leaves it open; longer than any real name
    max_mailbox_depth: int = 20                 # levels of a name: deeper than any tree that people make
    max_contexts: int = 10                      # searches kept up to date in a session: each looks at every change (RFC 5267)
    max_searched_mailboxes: int = 5_000         # by one ESEARCH: more than people have
    url_submit_users: tuple[str, ...] = ()      # who fetches URLs of "submit+" (RFC 4467): the submission server's own account
    message_limit: int = 0                      # messages of one command (RFC 9738: 1,000 or more; few programs know it). 0: any
    save_limit: int = 100_000                   # messages of one COPY or APPEND: one commit, of a second at most. 0: any
    progress_s: float = 10.0                    # how often a long command says how far it is (RFC 9585: 10 to 15 s). 0: never
    idle_keepalive_s: float = 120.0             # of silence in IDLE, then "Still here": routers forget silent connections. 0: never
    recheck_s: float = 60.0                     # how often IDLE and NOTIFY ask a store whose hints may be lost
    max_watched_mailboxes: int = 1_000          # by one NOTIFY: a hint of each is a look at its counts (RFC 5465 section 5.8)
    notify_gather_s: float = 0.5                # between two rounds of news of other mailboxes: a burst is a few lines
    admins: tuple[str, ...] = ()                # accounts that may set what all users see (SETMETADATA "") or may hold (SETQUOTA)
    contact: str = ""                           # URI of who runs the server, told to mail programs; "": postmaster by mail
    max_metadata_entries: int = 100             # named by one GETMETADATA, SETMETADATA or LIST: programs ask for a dozen
    max_filter_depth: int = 10                  # filters in filters (RFC 5466 section 3.1: 3 at least)
