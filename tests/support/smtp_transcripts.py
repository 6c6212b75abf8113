"""What a conversation of tests/transcripts/smtp wants of the server, said in its head.

    #! login                    bob may log in, his password is secret
    #! tls                      the connection begins with TLS
    #! honours RRVS VRFY        who is behind the server keeps these, besides DSN
    #! whole (why)              not to be played octet by octet
    #! max_errors = 3           a setting of `SmtpSettings`
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from .transcripts import settings


@dataclass
class Head:
    login: bool = False
    tls: bool = False
    whole: bool = False
    honours: frozenset[str] = frozenset()
    settings: dict[str, Any] = field(default_factory=dict)


def head(transcript: str) -> Head:
    found = Head(settings=settings(transcript))
    for line in re.findall(r"^#! (?!\w+ =)(.*)$", transcript, re.MULTILINE):
        word, *rest = line.split()
        match word:
            case "login" | "tls" | "whole":
                setattr(found, word, True)
            case "honours":
                found.honours = frozenset(rest)
            case _:
                raise AssertionError(f"not a line of a transcript's head: {line}")
    return found
