"""NAMESPACE (RFC 2342): one personal namespace, without prefix; others' and shared mailboxes where the account shows some."""

from __future__ import annotations

from collections.abc import Sequence

from mailframe.model.mailbox import SEPARATOR

from .. import mutf7, writer
from ..commands.anytime import no_arguments
from ..permission import namespaces
from ..registry import Command, Context, Extension, State


async def namespace(context: Context, _: None) -> None:
    known = namespaces(context.account)
    kinds = (_told(prefixes, context.utf8) for prefixes in (known.personal, known.others, known.shared))
    context.out.untagged(b"NAMESPACE " + b" ".join(kinds))


def _told(prefixes: Sequence[str], utf8: bool) -> bytes:
    if not prefixes:
        return b"NIL"
    separator = writer.quoted(SEPARATOR.encode())
    return b"(" + b"".join(
        b"(%b %b)" % (writer.quoted(prefix.encode() if utf8 else mutf7.encode(prefix)), separator) for prefix in prefixes) + b")"


EXTENSION = Extension(
    capability=b"NAMESPACE", rfc="2342", announced=State.LOGGED_IN,
    commands=(Command(b"NAMESPACE", State.LOGGED_IN, no_arguments, namespace),),
)
