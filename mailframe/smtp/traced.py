"""What a trace shows of SMTP: no secret, whatever was sent where (I9); of a message how long it was."""

from __future__ import annotations

from .extension import Registry
from .framer import Fault
from .situation import Situation


def command_shown(line: bytes | Fault, registry: Registry, situation: Situation) -> str:
    """A client's line. What is no known command may be a password that came too late or too early: only its length."""
    if isinstance(line, Fault):
        return f"[a line that cannot be used: {line.value}]"
    word, space, args = line.partition(b" ")
    command = registry.commands.get(word.upper())
    if command is None:
        return f"[no command, {len(line)} octets]"
    if not command.secret:
        return text(line)
    mechanism, _, rest = args.partition(b" ")
    if mechanism.upper() not in situation.mechanisms:
        return text(word) + (f" [{len(args)} octets]" if space else "")
    return text(word + b" " + mechanism) + (f" [{len(rest)} octets]" if rest else "")


def response_shown(line: bytes | Fault) -> str:
    """A client's line within an exchange of AUTH."""
    return f"[{line.value}]" if isinstance(line, Fault) else f"[response, {len(line)} octets]"


def reply_shown(line: bytes) -> str:
    """A line of ours; a challenge of SASL is part of a secret's proof."""
    return f"334 [{len(line) - 4} octets]" if line[:4] == b"334 " else text(line)


def text(octets: bytes) -> str:
    return octets.decode("utf-8", "backslashreplace")
