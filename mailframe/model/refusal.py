"""Refusals: the errors that know their SMTP and IMAP words (I8). Detail is for the log alone."""

from __future__ import annotations


class Refusal(Exception):
    """Something was asked that we will not or cannot do; the peer is told `public`, the log `detail`.

    Subclasses set the class attributes; a caller may override the public words for one case.
    """

    public: str = "Refused"
    smtp: tuple[int, str] = (550, "5.7.0")       # reply code, enhanced code (RFC 3463)
    imap_code: bytes | None = None               # response code without brackets (RFC 3501 section 7.1, RFC 5530)
    pop_code: bytes | None = None                # RFC 2449 section 8, RFC 3206

    def __init__(
        self, public: str | None = None, *, detail: str = "", smtp: tuple[int, str] | None = None,
        imap_code: bytes | None = None,
    ) -> None:
        super().__init__(public or self.public)
        if public is not None:
            self.public = public
        if smtp is not None:
            self.smtp = smtp
        if imap_code is not None:
            self.imap_code = imap_code
        self.detail = detail

    @property
    def temporary(self) -> bool:
        """Whether trying again later may succeed; follows from the SMTP code."""
        return self.smtp[0] < 500

    def __str__(self) -> str:
        return f"{self.public} ({self.detail})" if self.detail else self.public


class TryAgainLater(Refusal):
    public, smtp = "Temporary failure, please try again later", (451, "4.3.0")
    imap_code, pop_code = b"UNAVAILABLE", b"SYS/TEMP"


class Corrupted(TryAgainLater):
    """Something stored is damaged, and the log says what. A person has to look; the peer had better keep what it has."""

    public, imap_code = "This cannot be read at present, the server's administrator is told why", b"CORRUPTION"


class InternalError(TryAgainLater):
    """A plugin or a part of ours failed (I7); `detail` names it."""

    public, imap_code = "Internal error, please try again later", b"SERVERBUG"


class RemoteRefusal(Refusal):
    """The next hop's own words; `mta` names it for the DSN (RFC 3464 section 2.3.5), `diagnostic` is its reply on one line."""

    public, smtp = "The next mail server refused the message", (550, "5.0.0")

    def __init__(
        self, public: str | None = None, *, smtp: tuple[int, str], mta: str = "", diagnostic: str = "", detail: str = "",
    ) -> None:
        super().__init__(public, smtp=smtp, detail=detail)
        self.mta = mta
        self.diagnostic = diagnostic


class UnknownRecipient(Refusal):
    public, smtp = "No such user here", (550, "5.1.1")


class RelayDenied(Refusal):
    public, smtp = "Relaying denied", (550, "5.7.1")


class SenderNotAllowed(Refusal):
    public, smtp = "Not allowed to send as this address", (550, "5.7.1")       # RFC 6409 section 6.1


class MessageTooBig(Refusal):
    public, smtp, imap_code = "Message is too big", (552, "5.3.4"), b"TOOBIG"


class TooManyRecipients(Refusal):
    public, smtp = "Too many recipients", (452, "4.5.3")


class MailLoop(Refusal):
    public, smtp = "Too many hops, this message is looping", (554, "5.4.6")


class OverQuota(Refusal):
    public, smtp, imap_code = "Mailbox is full", (452, "4.2.2"), b"OVERQUOTA"


class StorageFull(Refusal):
    public, smtp = "Out of storage space, please try again later", (452, "4.3.1")
    imap_code, pop_code = b"UNAVAILABLE", b"SYS/TEMP"


class NoSuchMailbox(Refusal):
    public, smtp, imap_code = "No such mailbox", (550, "5.1.1"), b"NONEXISTENT"


class MailboxExists(Refusal):
    public, imap_code = "Mailbox exists already", b"ALREADYEXISTS"


class NoSuchMessage(Refusal):
    public, imap_code = "Message is gone", b"EXPUNGEISSUED"


class Forbidden(Refusal):
    public, imap_code = "Not allowed", b"CANNOT"


class NoPermission(Refusal):
    public, imap_code = "Your rights do not allow that", b"NOPERM"


class LimitReached(Refusal):
    public, smtp, imap_code = "A limit of this server is reached", (452, "4.5.3"), b"LIMIT"


class AnnotationTooBig(LimitReached):
    """The value of an annotation (RFC 5464 section 4.3); `limit` octets would be taken."""

    public = "The annotation is too big"

    def __init__(self, limit: int) -> None:
        super().__init__(imap_code=b"METADATA MAXSIZE %d" % limit)


class TooManyAnnotations(LimitReached):
    """RFC 5464 section 4.3."""

    public, imap_code = "Too many annotations", b"METADATA TOOMANY"


class LoginFailed(Refusal):
    """Unknown user and wrong password alike."""

    public, smtp, imap_code, pop_code = "Wrong user name or password", (535, "5.7.8"), b"AUTHENTICATIONFAILED", b"AUTH"
