"""How patient the SMTP client is, and how much it reads of what a server says."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """The patience of the client that hands mail on; section numbers are of RFC 5321, which asks for at least these times."""

    greeting_timeout_s: float = 300.0       # 4.5.3.2.1; a loaded server accepts before it can serve
    command_timeout_s: float = 300.0        # 4.5.3.2.2 and .3: MAIL and RCPT, and the like; RCPT may look up and call back
    data_timeout_s: float = 120.0           # 4.5.3.2.4: from DATA to 354
    block_timeout_s: float = 180.0          # 4.5.3.2.5: for a block of the message to be taken
    end_timeout_s: float = 600.0            # 4.5.3.2.6: giving up early here makes duplicates
    message_timeout_s: float = 3_600.0      # MAIL to the last reply; else a reply every 299 s could hold us for days
    tls_timeout_s: float = 60.0             # a handshake needs few round trips and no thought
    quit_timeout_s: float = 5.0             # nothing depends on the answer any more
    max_reply_line_octets: int = 4_096      # 512 by the RFC; some servers write whole stories
    max_reply_lines: int = 128              # EHLO of the longest server has some 30
    block_octets: int = 65_536              # read and sent at once; also what is held in memory for each connection
