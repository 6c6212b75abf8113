"""DSN (RFC 3461, with RFC 6533's utf-8 addresses): read here, honoured by whoever takes the message on."""

from __future__ import annotations

from ..extension import Extension
from ..situation import MailDraft, RcptDraft, Situation
from ..syntax import SyntaxFault, decode_unitext, decode_xtext

_EVENTS = frozenset(("SUCCESS", "FAILURE", "DELAY"))


def keywords(situation: Situation) -> tuple[str, ...]:
    return ("DSN",) if situation.settings.dsn and "DSN" in situation.honours else ()


def ret(draft: MailDraft, value: str | None) -> None:
    """How much of the message a failure report holds (section 4.3)."""
    word = (value or "").upper()
    if word not in ("FULL", "HDRS"):
        raise SyntaxFault("RET must be FULL or HDRS")
    draft.ret = word


def envid(draft: MailDraft, value: str | None) -> None:
    """The sender's own name for the transaction, at most 100 characters (section 4.4)."""
    if value is None or len(value) > 100 or not value.isascii():
        raise SyntaxFault("ENVID wants up to 100 characters of xtext")
    draft.envid = _ascii(decode_xtext(value))


def notify(draft: RcptDraft, value: str | None) -> None:
    """When to report: NEVER alone, or a list of SUCCESS, FAILURE, DELAY (section 4.1)."""
    words = frozenset((value or "").upper().split(","))
    if words != {"NEVER"} and not words <= _EVENTS:
        raise SyntaxFault("NOTIFY must be NEVER, or of SUCCESS, FAILURE, DELAY")
    draft.notify = words


def orcpt(draft: RcptDraft, value: str | None) -> None:
    """The recipient as first given: ``rfc822;xtext``, at most 500 characters (section 4.2)."""
    kind, semicolon, address = (value or "").partition(";")
    if not semicolon or not address or len(value or "") > 500 or not kind.replace("-", "").isalnum() or not kind.isascii():
        raise SyntaxFault("ORCPT wants type;address")
    if kind.lower() == "utf-8":
        draft.orcpt = f"{kind};{decode_unitext(address)}"
    elif address.isascii():
        draft.orcpt = f"{kind};{_ascii(decode_xtext(address))}"
    else:
        raise SyntaxFault("ORCPT in UTF-8 has the type utf-8")


def _ascii(text: str) -> str:
    """xtext stands for printable US-ASCII (sections 4.2, 4.4): what does not could not be written into a report."""
    if not text.isascii():
        raise SyntaxFault("xtext stands for US-ASCII")
    return text


EXTENSION = Extension(
    "DSN", "3461", keywords=keywords,
    mail_parameters={"RET": ret, "ENVID": envid},
    rcpt_parameters={"NOTIFY": notify, "ORCPT": orcpt},
)
