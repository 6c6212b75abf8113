"""What accounts and mailboxes of one store share."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from twisted.internet.interfaces import IReactorTime

from mailframe.interfaces.store import IMailbox
from mailframe.model.mailbox import Listeners, New
from mailframe.sqlite.content import SqliteContent
from mailframe.sqlite.engine import Engine

from .columns import ColumnsCache
from .crowd import Crowd
from .settings import SqliteSettings


class Parts:
    """The engine, the content, the settings, the columns kept, and who listens to which account."""

    mailbox: Callable[[Parts, int, int], IMailbox]      # of an account and its number

    def __init__(
        self, engine: Engine, content: SqliteContent, clock: IReactorTime, attributes_version: int | None, settings: SqliteSettings,
    ) -> None:
        self.engine = engine
        self.content = content
        self.clock = clock
        self.attributes_version = attributes_version
        self.settings = settings
        self.columns = ColumnsCache(engine)
        self.crowd = Crowd(engine)
        self.listeners: dict[int, Listeners] = {}
        self._told = (0, 0)                     # the mailbox, and up to which mod-sequence, that was last told of by `tell_up_to`
        self.adopt: Callable[[Sequence[New]], Awaitable[Sequence[New]]] | None = None

    def tell(self, account: int, mailbox_id: str) -> None:
        """After the commit: `mailbox_id` of the account numbered `account` has changed; "" for the list."""
        listeners = self.listeners.get(account)
        if listeners is not None:
            listeners.tell(mailbox_id)

    def tell_up_to(self, account: int, mailbox: int, modseq: int) -> None:
        """After a commit with all up to `modseq`: the same for the many changes in it, of which one hint tells."""
        if self._told != (mailbox, modseq):
            self._told = (mailbox, modseq)
            self.tell(account, str(mailbox))
