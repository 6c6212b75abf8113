"""Annotations of others' mailboxes (RFC 5464): the owner's account keeps them, and rights say who may do what."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from zope.interface import implementer

from mailframe.interfaces.maybe import settled
from mailframe.interfaces.metadata import SHARED, IMetadata, MetadataListener

from .account import SharedAccount
from .guarded import refused
from .names import place_of

_SEES = "l"             # RFC 5464 section 3.3: this one,
_USES = "rswip"         # and one of these
_WRITES_SHARED = "w"    # ours: what all see is not changed by who may only look


@implementer(IMetadata)
class AnnotatedAccount(SharedAccount):
    """Over an account that keeps annotations. Private entries are whose session it is, in any mailbox."""

    async def metadata(self, mailbox_id: str | None, actor: str) -> Mapping[str, bytes]:
        """See IMetadata. Raises NoPermission."""
        account, inner_id = await self._annotated(mailbox_id)
        return await settled(account.metadata(inner_id, actor))

    async def set_metadata(self, mailbox_id: str | None, actor: str, entries: Mapping[str, bytes | None]) -> None:
        """See IMetadata. Raises NoPermission."""
        shared = any(name.startswith(SHARED) for name in entries)
        account, inner_id = await self._annotated(mailbox_id, _WRITES_SHARED if shared else "")
        await settled(account.set_metadata(inner_id, actor, entries))

    def watch_metadata(self, actor: str, listener: MetadataListener) -> Callable[[], None]:
        """See IMetadata. Of the user's own mailboxes, and of the server."""
        own: IMetadata = self.inner
        return own.watch_metadata(actor, listener)

    async def _annotated(self, mailbox_id: str | None, wanted: str = "") -> tuple[IMetadata, str | None]:
        """Who keeps them, and the mailbox's id there. Raises NoSuchMailbox, NoPermission."""
        own: IMetadata = self.inner
        if mailbox_id is None or place_of(mailbox_id) is None:
            return own, mailbox_id
        grant, account = await self.others.reach(mailbox_id, _SEES + wanted)
        if set(grant.rights).isdisjoint(_USES):
            raise refused(grant.rights)
        assert IMetadata.providedBy(account)        # as the user's own, of the same store
        keeper: Any = account
        return keeper, grant.place.what
