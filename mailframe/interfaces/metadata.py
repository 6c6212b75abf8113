"""Annotations: short values under names, of mailboxes and of the server as a whole (RFC 5464)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from zope.interface import Interface

#: Called with the mailbox's id, None for the server, and the names of the entries that were set or removed.
MetadataListener = Callable[[str | None, Collection[str]], None]

SHARED, PRIVATE = "/shared/", "/private/"       # what every entry's name begins with


class IMetadata(Interface):
    """An account that keeps annotations. For one that does not, the framework keeps them on the server's own engine.

    Entry names are the framework's: printable US-ASCII in lower case, beginning with SHARED or PRIVATE. What is PRIVATE is
    `actor`'s own, and nobody else sees that it is there; what is SHARED is everybody's who may read the mailbox, or anybody's
    who logs in to the server. Who may write what is judged before. `actor` is the account that asks: another one than
    the mailbox's where mailboxes are shared.

    Annotations stay with a mailbox's id when it is renamed, and go with it when it is deleted: no other mailbox ever
    inherits them.
    """

    async def metadata(mailbox_id: str | None, actor: str) -> Mapping[str, bytes]:
        """All entries of the mailbox (None: of the server) that `actor` may see, with their values, which may be empty.

        Cheap where there are none: it is asked of each mailbox in a list. Of a mailbox that is gone it answers nothing, or
        raises NoSuchMailbox.
        """

    async def set_metadata(mailbox_id: str | None, actor: str, entries: Mapping[str, bytes | None]) -> None:
        """Set these entries, and remove those that are given None, whether they are there or not: all or none, durable on return.

        Raises NoSuchMailbox, AnnotationTooBig, TooManyAnnotations, OverQuota. At least 10 entries and 1,024 octets of a value
        must be taken (RFC 5464 section 4.1).
        """

    def watch_metadata(actor: str, listener: MetadataListener) -> Callable[[], None]:
        """Call `listener` for each change that `actor` may see, of this account's mailboxes and of the server, by whomever.

        Once for each `set_metadata`, in the reactor's thread, when its entries can be read and before it returns. Returns
        what ends it.
        """
