"""HELP (RFC 5321 section 4.1.1.8): each command brings its own words."""

from __future__ import annotations

from ..extension import Command, Conversation, Extension
from ..machine import ORDER
from ..reply import Reply

_NOTHING = Reply.of(504, "5.5.4", "No help on that").encode()


def run(session: Conversation, args: bytes) -> None:
    registry = session.registry
    if args:
        command = registry.commands.get(args.upper())
        lines = command.help.splitlines() if command is not None else []
        session.say(Reply.of(214, "2.0.0", *lines).encode() if lines else _NOTHING)
    else:
        verbs = " ".join(registry.verbs(session.situation))
        session.say(Reply.of(214, "2.0.0", "Commands:", verbs, "HELP command tells more; see RFC 5321").encode())


EXTENSION = Extension(
    "HELP", "5321", keywords=lambda situation: ("HELP",),
    commands=(Command(b"HELP", ORDER[b"HELP"], run, "HELP [command]: what can be said here", idle=True),),
)
