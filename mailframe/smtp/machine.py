"""The order of commands (RFC 5321 section 4.1.4): one table of what is refused when, and with which words."""

from __future__ import annotations

import enum
from collections.abc import Mapping

from .reply import Reply


class State(enum.Enum):
    """Where a session stands between two commands."""

    START = "not greeted yet"
    GREETED = "no transaction"
    SENDER = "MAIL was accepted"
    RECIPIENT = "at least one RCPT was accepted"
    CHUNKS = "at least one BDAT has come, and not the last"


Order = Mapping[State, Reply]

_HELLO_FIRST = Reply.of(503, "5.5.1", "Send HELO or EHLO first")
_LHLO_FIRST = Reply.of(503, "5.5.1", "Send LHLO first")
_MAIL_FIRST = Reply.of(503, "5.5.1", "Need MAIL first")
_RCPT_FIRST = Reply.of(503, "5.5.1", "Need RCPT first")
_NESTED = Reply.of(503, "5.5.1", "Sender is given already")
_IN_MESSAGE = Reply.of(503, "5.5.1", "The message has begun with BDAT: go on with it, or send RSET")
_IN_TRANSACTION = Reply.of(503, "5.5.1", "Not allowed within a mail transaction")

_NO_SERVICE = Reply.of(503, "5.5.1", "No service for you here: say QUIT")

#: In which states a command is refused, and how. What a third party's command needs is among these.
ANY_TIME: Order = {}
OUTSIDE_MAILS: Order = dict.fromkeys((State.SENDER, State.RECIPIENT, State.CHUNKS), _IN_TRANSACTION)
AFTER_HELLO: Order = {State.START: _HELLO_FIRST}
BETWEEN_MAILS: Order = {**AFTER_HELLO, **OUTSIDE_MAILS}
NO_SERVICE: Order = dict.fromkeys(State, _NO_SERVICE)

ORDER: Mapping[bytes, Order] = {
    b"EHLO": ANY_TIME,
    b"HELO": ANY_TIME,
    b"LHLO": ANY_TIME,
    b"MAIL": {State.START: _HELLO_FIRST, State.SENDER: _NESTED, State.RECIPIENT: _NESTED, State.CHUNKS: _NESTED},
    b"RCPT": {State.START: _HELLO_FIRST, State.GREETED: _MAIL_FIRST, State.CHUNKS: _IN_MESSAGE},
    b"DATA": {State.START: _HELLO_FIRST, State.GREETED: _MAIL_FIRST, State.SENDER: _RCPT_FIRST, State.CHUNKS: _IN_MESSAGE},
    b"BDAT": {State.START: _HELLO_FIRST, State.GREETED: _MAIL_FIRST, State.SENDER: _RCPT_FIRST},
    b"RSET": ANY_TIME,
    b"NOOP": ANY_TIME,
    b"HELP": ANY_TIME,
    b"QUIT": ANY_TIME,
    b"VRFY": ANY_TIME,
    b"EXPN": ANY_TIME,
    b"STARTTLS": BETWEEN_MAILS,
    b"AUTH": BETWEEN_MAILS,
    b"XCLIENT": OUTSIDE_MAILS,
    b"XFORWARD": OUTSIDE_MAILS,
}


def in_lmtp(order: Order) -> Order:
    """The same, with LHLO for what must come first (RFC 2033 section 4.1)."""
    return {state: _LHLO_FIRST if reply is _HELLO_FIRST else reply for state, reply in order.items()}


def out_of_order(order: Order, state: State) -> Reply | None:
    """What a command is told that must not come now; None when it may."""
    return order.get(state)
