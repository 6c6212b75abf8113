"""A client that uses, until the server dies, what an Editor does not: REPLACE, CATENATE, annotations and grants (I1)."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import deepcopy

from support.wires import Imap

from .boxes import Boxes
from .editor import Editor
from .messages import DOMAIN, content

GUEST = f"nobody@{DOMAIN}"      # no account: so no other client's list grows by what is shared


class Drafter(Editor):
    """Each of its changes is one command, which after a crash is done whole or not at all; what was answered OK is done."""

    def acts(self) -> list[Callable[[Imap], None]]:
        replacing = (self.replace, self.replace) if self.atomic else ()
        return [*super().acts(), *replacing, self.catenate, self.annotate, self.annotate, self.share, self.share]

    def read(self, imap: Imap) -> Boxes:
        boxes = super().read(imap)
        for name, box in boxes.items():
            _, told = imap.ok(f'GETMETADATA "{name}" /private/comment')
            comment = re.search(rb'/private/comment "([^"]*)"', b"".join(told))
            _, told = imap.ok(f'GETACL "{name}"')
            granted = re.search(rf"{GUEST} (\w+)".encode(), b"".join(told))
            box.comment = comment[1].decode() if comment else ""
            box.granted = granted[1].decode() if granted else ""
        return boxes

    def replace(self, imap: Imap) -> None:
        """Half of them in the same mailbox (RFC 8508)."""
        source = self.box(filled=True)
        target = source if self.lot.random() < 0.5 else self.box()
        if source is None or target is None:
            return
        self.select(imap, source)
        uid, key = self.lot.choice(sorted(self.boxes[source].messages)), self.key()
        after = deepcopy(self.boxes)
        del after[source].messages[uid]
        after[target].add([(key, frozenset({"\\Draft"}))])
        self.change(after, imap, f'UID REPLACE {uid} "{target}" (\\Draft) {{}}', content(key))

    def catenate(self, imap: Imap) -> None:
        """A new header before the text of a message that is there (RFC 4469)."""
        source, target = self.box(filled=True), self.box()
        if source is None or target is None:
            return
        uid, key = self.lot.choice(sorted(self.boxes[source].messages)), self.key()
        after = deepcopy(self.boxes)
        after[target].add([(key, frozenset({"\\Seen"}))])
        header = content(key).partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
        url = f"/{source}/;UID={uid}/;SECTION=TEXT"
        self.change(after, imap, f'APPEND "{target}" (\\Seen) CATENATE (TEXT {{}} URL "{url}")', header)

    def annotate(self, imap: Imap) -> None:
        name = self.box()
        assert name is not None
        after = deepcopy(self.boxes)
        after[name].comment = self.lot.choice(("", f"comment {self.count}", "another"))
        value = f'"{after[name].comment}"' if after[name].comment else "NIL"
        self.change(after, imap, f'SETMETADATA "{name}" (/private/comment {value})')

    def share(self, imap: Imap) -> None:
        name = self.box()
        assert name is not None
        after = deepcopy(self.boxes)
        after[name].granted = self.lot.choice(("", "lr", "lrs", "lrsw"))
        if after[name].granted:
            self.change(after, imap, f'SETACL "{name}" {GUEST} {after[name].granted}')
        else:
            self.change(after, imap, f'DELETEACL "{name}" {GUEST}')
