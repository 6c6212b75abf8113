"""What a copy of the mail needs so that it may one day take the original's place without misleading any mail program."""

from __future__ import annotations

import apsw

from mailframe.sqlite.checking import versions
from mailframe.sqlite.rows import fetch

#: More than a mailbox is given between a backup and its return. A mailbox near the end of all UIDs goes half of what is left.
UIDS = 1 << 20
MODSEQS = 1 << 32


def leap(con: apsw.Connection) -> None:
    """Leave a gap in what is numbered, in one transaction.

    After the copy was made the original goes on to give out UIDs, mod-sequences and mailbox ids, and mail programs remember
    them. Put back, the copy must give none of them to something else (RFC 3501 section 2.3.1.1). UIDVALIDITY may stay, and
    with it what mail programs have kept: a UID that they know and that is not there counts as expunged. All messages are
    marked as changed, so that who comes back with a later mod-sequence is told everything (RFC 7162 section 3.2.5).
    """
    if "store" not in versions(con):
        return
    with con:
        con.execute("""
            UPDATE mailbox SET uidnext = uidnext + min(?, (4294967296 - uidnext) / 2), modseq = modseq + ?""", (UIDS, MODSEQS))
        con.execute("UPDATE message SET modseq = (SELECT mailbox.modseq FROM mailbox WHERE mailbox.id = message.mailbox)")
        fetch(con, "UPDATE sqlite_sequence SET seq = seq + ? WHERE name IN ('account', 'mailbox')", (UIDS,))
