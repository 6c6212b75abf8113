"""ID (RFC 2971): who is who, for bug reports. What the client says is read and forgotten."""

from __future__ import annotations

from mailframe import __version__

from .. import writer
from ..cursor import BadSyntax, Cursor
from ..registry import Command, Context, Extension, State

MAX_FIELDS = 30         # RFC 2971 section 3.3
MAX_FIELD_OCTETS = 30
MAX_VALUE_OCTETS = 1_024


def parse(args: Cursor) -> None:
    """``id = "ID" SP ("(" [string SP nstring *(SP string SP nstring)] ")" / nil)``"""
    args.space()
    count = 0

    def field() -> None:
        nonlocal count
        count += 1
        name = args.string()
        args.space()
        value = args.nstring() or b""
        if len(name) > MAX_FIELD_OCTETS or len(value) > MAX_VALUE_OCTETS or count > MAX_FIELDS:
            raise BadSyntax("ID too long")

    if args.peek() == b"(":
        args.list_of(field, empty=True)
    elif args.nstring() is not None:
        raise BadSyntax("List or NIL expected")
    args.end()


async def run(context: Context, _: None) -> None:
    context.out.untagged(b'ID ("name" "mailframe" "version" ' + writer.quoted(__version__.encode("ascii")) + b")")


EXTENSION = Extension(capability=b"ID", rfc="2971", commands=(Command(b"ID", State.ANY, parse, run),))
