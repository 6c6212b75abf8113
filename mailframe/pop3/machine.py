"""POP3's states (RFC 1939 section 3) and the one table of how they follow each other."""

from __future__ import annotations

import enum


class State(enum.Flag):
    """A command names the states in which it is allowed."""

    AUTHORIZATION = enum.auto()      # no user named yet
    USER_GIVEN = enum.auto()         # still the AUTHORIZATION state, a USER is waiting for its PASS
    TRANSACTION = enum.auto()
    UPDATE = enum.auto()             # QUIT after a login; or nothing more to come

    BEFORE_LOGIN = AUTHORIZATION | USER_GIVEN
    ANY = AUTHORIZATION | USER_GIVEN | TRANSACTION


class Event(enum.Enum):
    USER = enum.auto()
    LOGIN = enum.auto()
    LOGIN_FAILED = enum.auto()
    TLS = enum.auto()
    QUIT = enum.auto()


TRANSITIONS: dict[tuple[State, Event], State] = {
    (State.AUTHORIZATION, Event.USER): State.USER_GIVEN,
    (State.AUTHORIZATION, Event.LOGIN): State.TRANSACTION,
    (State.AUTHORIZATION, Event.LOGIN_FAILED): State.AUTHORIZATION,
    (State.AUTHORIZATION, Event.TLS): State.AUTHORIZATION,
    (State.AUTHORIZATION, Event.QUIT): State.UPDATE,
    (State.USER_GIVEN, Event.USER): State.USER_GIVEN,
    (State.USER_GIVEN, Event.LOGIN): State.TRANSACTION,
    (State.USER_GIVEN, Event.LOGIN_FAILED): State.AUTHORIZATION,
    (State.USER_GIVEN, Event.TLS): State.AUTHORIZATION,    # RFC 2595 section 4: knowledge from before is discarded
    (State.USER_GIVEN, Event.QUIT): State.UPDATE,
    (State.TRANSACTION, Event.QUIT): State.UPDATE,
}


class Machine:
    """Where one session stands. A step that is not in the table is a fault of ours: KeyError."""

    def __init__(self) -> None:
        self.state = State.AUTHORIZATION

    def step(self, event: Event) -> None:
        self.state = TRANSITIONS[self.state, event]

    def objection(self, allowed: State) -> bytes | None:
        """Why a command that is allowed in `allowed` cannot be given now; None when it can."""
        if self.state in allowed:
            return None
        if self.state is State.TRANSACTION:
            return b"Already logged in"
        return b"Say USER first" if State.USER_GIVEN in allowed else b"Log in first"
