"""What to say to a server for one message: its abilities, MAIL and RCPT lines, and what cannot be asked of it. Pure."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from mailframe.model.envelope import Envelope, Recipient

from .client_words import notified, too_late, words
from .reply import Reply

_MAX_ORCPT = 500      # octets, RFC 3461 section 4.2
_MAX_ENVID = 100      # characters, RFC 3461 section 4.4


class Stage(enum.Enum):
    """What a recipient's outcome is the answer to."""

    LOCAL = "our own look at the message"
    HOST = "our own look at what the host offers"           # another one may offer more
    MAIL = "MAIL FROM"
    RCPT = "RCPT TO"
    DATA = "DATA"
    END = "end of data"
    LOST = "a lost connection"              # before the end of data was sent: the next hop has nothing
    DOUBTFUL = "a lost connection at the end of data"       # it may have taken the message


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it went for one recipient. `reply` is the server's; ours at the stages LOCAL, HOST, LOST and DOUBTFUL."""

    reply: Reply
    stage: Stage

    @property
    def accepted(self) -> bool:
        return self.stage is Stage.END and 200 <= self.reply.code < 300


def extensions(reply: Reply) -> dict[str, str]:
    """The keywords of an EHLO reply in capitals, each with its parameters (RFC 5321 section 4.1.1.1)."""
    found: dict[str, str] = {}
    for line in reply.lines[1:]:
        keyword, _, parameters = line.partition(" ")
        if keyword.upper().startswith("AUTH="):     # as some old servers write it
            keyword, parameters = "AUTH", f"{keyword[5:]} {parameters}"
        if keyword:
            found[keyword.upper()] = " ".join(filter(None, (found.get(keyword.upper()), parameters.strip())))
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """The commands of one transaction; `refused` are recipients that this server cannot be given, with the reason."""

    mail: bytes = b""
    rcpts: Sequence[tuple[Recipient, bytes]] = ()
    refused: Mapping[Recipient, Outcome] = field(default_factory=dict)
    binary: bool = False        # the message goes by BDAT


def plan(
    envelope: Envelope, recipients: Sequence[Recipient], size: int, offers: Mapping[str, str], *, utf8_header: bool = False,
    logged_in: bool = False, trusted: bool = False, now: float = 0.0,
) -> Plan:
    """`size`: octets of the whole message. `utf8_header`: its header needs SMTPUTF8 (RFC 6531 section 3.6).

    `logged_in`: we are. `trusted`: what REQUIRETLS demands of a session is true of this one (RFC 8689 section 2). `now`: epoch
    seconds.
    8-bit content is taken to be fit for the server (`relay.fitting` makes it so).
    """
    unfit = _unfit(envelope, offers, trusted, now)
    if unfit is not None:
        return Plan(refused=dict.fromkeys(recipients, unfit))
    limit = offers.get("SIZE", "").partition(" ")[0]
    if limit.isdecimal() and 0 < int(limit[:18]) < size:
        why = f"Message of {size} octets is larger than the {limit[:18]} that the next mail server takes"
        return Plan(refused=dict.fromkeys(recipients, Outcome(Reply.of(552, "5.3.4", why), Stage.LOCAL)))
    utf8 = "SMTPUTF8" in offers
    if not utf8 and (utf8_header or (envelope.sender is not None and envelope.sender.needs_smtputf8)):
        return Plan(refused=dict.fromkeys(recipients, _NOT_UTF8))
    refused = {} if utf8 else {recipient: _NOT_UTF8 for recipient in recipients if recipient.address.needs_smtputf8}
    if "RRVS" not in offers:
        refused.update((one, _NOT_RRVS) for one in recipients if one.valid_since is not None and one.without_rrvs != "C")
    asks_utf8 = utf8 and (
        envelope.smtputf8 or utf8_header or (envelope.sender is not None and envelope.sender.needs_smtputf8)
        or any(recipient.address.needs_smtputf8 for recipient in recipients)
    )
    rcpts = [
        (recipient, _rcpt(recipient, notified(envelope, recipient.notify, offers, now), offers, asks_utf8))
        for recipient in recipients if recipient not in refused
    ]
    mail = _mail(envelope, size, offers, asks_utf8, logged_in, trusted)
    return Plan(_line([*mail, *words(envelope, offers, now)]), rcpts, refused, envelope.body == "BINARYMIME")


def _unfit(envelope: Envelope, offers: Mapping[str, str], trusted: bool, now: float) -> Outcome | None:
    """Why the server cannot be given the message at all, by what was promised for it.

    A report goes where it can even so (RFC 8689 section 5): a sender who required TLS is better told in the clear than not.
    """
    if envelope.body == "BINARYMIME" and not ("BINARYMIME" in offers and "CHUNKING" in offers):
        return _NOT_BINARY
    if envelope.require_tls and envelope.sender is not None:
        if not trusted:
            return _NOT_TRUSTED
        if "REQUIRETLS" not in offers:
            return _NOT_REQUIRETLS
    late = too_late(envelope, offers, now)
    return None if late is None else Outcome(late, Stage.HOST)


def _mail(envelope: Envelope, size: int, offers: Mapping[str, str], utf8: bool, logged_in: bool, trusted: bool) -> list[str]:
    said = [f"MAIL FROM:<{envelope.sender or ''}>"]
    if "SIZE" in offers:
        said.append(f"SIZE={size}")
    if envelope.body == "BINARYMIME":
        said.append("BODY=BINARYMIME")
    elif "8BITMIME" in offers and (utf8 or envelope.body == "8BITMIME"):
        said.append("BODY=8BITMIME")
    if utf8:
        said.append("SMTPUTF8")
    if "DSN" in offers:
        if envelope.ret is not None:
            said.append(f"RET={'HDRS' if envelope.require_tls else envelope.ret}")     # RFC 8689 section 5
        if envelope.envid is not None and len(envid := xtext(envelope.envid)) <= _MAX_ENVID:
            said.append(f"ENVID={envid}")
    if logged_in and "AUTH" in offers:
        said.append("AUTH=<>")             # RFC 4954 section 5: we vouch for nobody
    if envelope.require_tls and trusted and "REQUIRETLS" in offers:
        said.append("REQUIRETLS")
    if envelope.solicitation and "NO-SOLICITING" in offers:
        said.append(f"SOLICIT={envelope.solicitation}")        # RFC 3865 section 2.3
    return said


def _rcpt(recipient: Recipient, notify: frozenset[str], offers: Mapping[str, str], utf8: bool) -> bytes:
    said = [f"RCPT TO:<{recipient.address}>"]
    if "DSN" in offers:
        if notify:
            said.append(f"NOTIFY={','.join(sorted(notify))}")
        if recipient.orcpt is not None:
            kind, _, address = recipient.orcpt.partition(";")
            if not address.isascii():
                kind = "utf-8"          # RFC 6533 section 3
            unicode = kind.lower() == "utf-8"        # it has an encoding of its own, also for "+"
            orcpt = f"{xtext(kind)};{xtext(address, utf8=utf8, unicode=unicode)}"
            if len(orcpt.encode()) <= _MAX_ORCPT:
                said.append(f"ORCPT={orcpt}")
    if recipient.valid_since is not None and "RRVS" in offers:
        action = f";{recipient.without_rrvs}" if recipient.without_rrvs else ""          # kept as it was: RFC 7293 section 5.1.1
        said.append(f"RRVS={datetime.fromtimestamp(recipient.valid_since, UTC):%Y-%m-%dT%H:%M:%SZ}{action}")
    return _line(said)


def _line(words: Sequence[str]) -> bytes:
    line = " ".join(words)
    if not line.isprintable():
        raise ValueError("an address or parameter with control characters")     # unreachable by Address.parse; I5
    return line.encode("utf-8") + b"\r\n"


def xtext(text: str, *, utf8: bool = False, unicode: bool = False) -> str:
    """`text` as xtext (RFC 3461 section 4); `unicode`: as RFC 6533 section 3 has it, beyond ASCII plain if `utf8`."""
    hexadecimal = "+{:02X}" if text.isascii() and not unicode else "\\x{{{:X}}}"
    return "".join(
        character if ("!" <= character <= "~" and character not in "+=\\") or (utf8 and character > "\x9f")
        else hexadecimal.format(ord(character))
        for character in text
    )


_NOT_UTF8 = Outcome(
    Reply.of(550, "5.6.7", "The next mail server cannot take international addresses (SMTPUTF8)"), Stage.LOCAL,
)
_NOT_BINARY = Outcome(
    Reply.of(554, "5.6.3", "The next mail server cannot take binary content (BINARYMIME)"), Stage.HOST,
)
_NOT_TRUSTED = Outcome(
    Reply.of(550, "5.7.10", "The sender requires TLS with a verified name, and the next mail server is reached without it"),
    Stage.HOST,
)
_NOT_REQUIRETLS = Outcome(
    Reply.of(550, "5.7.30", "The sender requires TLS all the way, and the next mail server does not promise it (REQUIRETLS)"),
    Stage.HOST,
)
_NOT_RRVS = Outcome(        # RFC 7293 section 5.1.1
    Reply.of(550, "5.7.19", "The next mail server cannot say since when the recipient has the address (RRVS)"), Stage.HOST,
)
