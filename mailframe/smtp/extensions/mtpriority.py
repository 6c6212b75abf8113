"""MT-PRIORITY (RFC 6710): which messages go first; read here, kept by the queue and the relay."""

from __future__ import annotations

import re

from ..extension import Extension
from ..reply import Reply
from ..settings import SmtpSettings
from ..situation import MailDraft, Situation
from ..syntax import SyntaxFault

_PRIORITY = re.compile(r"0|-?[1-9]")        # section 3, in ABNF: no "+", no "-0"


def keywords(situation: Situation) -> tuple[str, ...]:
    """``MT-PRIORITY``, and behind it the profile by which this server assigns meanings to numbers."""
    settings = situation.settings
    if not settings.mt_priority or "MT-PRIORITY" not in situation.honours:
        return ()
    return (f"MT-PRIORITY {settings.priority_profile}".rstrip(),)


def priority(draft: MailDraft, value: str | None) -> None:
    """-9 to 9. One that is too high for this client is lowered, and MAIL's answer says to what (X.3.6)."""
    if value is None or not _PRIORITY.fullmatch(value):
        raise SyntaxFault("MT-PRIORITY wants a number from -9 to 9", smtp=(501, "5.5.2"))     # section 4.1
    asked = int(value)
    draft.priority = min(asked, highest(draft.situation.settings))
    if draft.priority != asked:
        draft.remarks = {"priority_asked": str(asked), **(draft.remarks or {})}         # section 4.1, item 3
        draft.reply = Reply.of(250, "2.3.6", f"{draft.priority} is the new priority assigned to the message")


def highest(settings: SmtpSettings) -> int:
    """What a client may ask for here: strangers nothing above the common, own hosts all (section 4.1)."""
    if settings.max_priority is not None:
        return settings.max_priority
    return {"submission": 4, "relay-in": 9, "lmtp": 9}.get(settings.role, 0)


EXTENSION = Extension("MT-PRIORITY", "6710", keywords=keywords, mail_parameters={"MT-PRIORITY": priority})
