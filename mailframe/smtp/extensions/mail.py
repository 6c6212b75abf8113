"""The verbs of a transaction (RFC 5321 section 3.3): MAIL, RCPT, DATA, RSET."""

from __future__ import annotations

from mailframe.model.envelope import Recipient
from mailframe.model.refusal import Refusal, TooManyRecipients

from ..extension import Command, Conversation, Extension
from ..machine import ORDER, State
from ..reply import Reply
from ..situation import MailDraft, RcptDraft
from ..syntax import BadRecipientAddress, BadSenderAddress, SyntaxFault, parse_address, parse_sender, split_path, with_domain
from ..transaction import NO_REMARKS, Transaction
from .limits import check_domain, count_mail

_SENDER_OK = Reply.of(250, "2.1.0", "Sender ok").encode()
_RECIPIENT_OK = Reply.of(250, "2.1.5", "Recipient ok").encode()
_GO_ON = Reply.of(354, "", "End data with <CR><LF>.<CR><LF>").encode()
_BY_CHUNKS = Reply.of(503, "5.5.1", "A BINARYMIME message comes by BDAT, not DATA")
_RESET = Reply.of(250, "2.0.0", "Ok").encode()


class LoginNeeded(Refusal):
    public, smtp = "Authentication required", (530, "5.7.0")


async def mail(session: Conversation, args: bytes) -> None:
    count_mail(session)
    situation = session.situation
    if session.settings.wants_login and situation.account is None:
        if not situation.plaintext_allowed and situation.tls_available:
            raise LoginNeeded("Must issue a STARTTLS command first")
        raise LoginNeeded
    path, parameters = split_path(args, b"FROM:", BadSenderAddress)
    path = with_domain(path, session.settings.complete_domain)
    draft = MailDraft(situation, session.now())
    session.registry.read_mail(parameters, draft)
    envelope = session.envelope(parse_sender(path, smtputf8=draft.smtputf8), draft)
    delivery = await session.ask("begin", session.reception.begin, envelope)
    remarks = {**session.remarks, **draft.remarks} if draft.remarks else session.remarks
    session.transaction = Transaction(envelope, delivery, session.settings, remarks)
    session.remarks = NO_REMARKS
    session.state = State.SENDER
    session.say(_SENDER_OK if draft.reply is None else draft.reply.encode())


async def rcpt(session: Conversation, args: bytes) -> None:
    transaction = session.transaction
    assert transaction is not None, "RCPT comes only after MAIL"
    if len(transaction.accepted) >= session.settings.max_recipients:
        raise TooManyRecipients
    path, parameters = split_path(args, b"TO:", BadRecipientAddress)
    path = with_domain(path, session.settings.complete_domain)
    smtputf8 = transaction.envelope.smtputf8
    draft = RcptDraft(session.situation, smtputf8)
    session.registry.read_rcpt(parameters, draft)
    address = parse_address(path, BadRecipientAddress, smtputf8=smtputf8)
    check_domain(session, address)
    await transaction.add(
        Recipient(address, draft.notify, draft.orcpt, valid_since=draft.valid_since, without_rrvs=draft.without_rrvs))
    session.state = State.RECIPIENT
    session.say(_RECIPIENT_OK)


def data(session: Conversation, args: bytes) -> None:
    if args:
        raise SyntaxFault("DATA has no parameters")
    if session.transaction is not None and session.transaction.envelope.body == "BINARYMIME":
        session.complain(_BY_CHUNKS)        # RFC 3030 section 3: DATA would make lines of it
        return
    session.say(_GO_ON)
    session.read_data()


def rset(session: Conversation, args: bytes) -> None:
    if args:
        raise SyntaxFault("RSET has no parameters")
    session.reset()
    session.say(_RESET)


EXTENSION = Extension("mail", "5321", commands=tuple(
    Command(verb, ORDER[verb], run, words, idle=verb == b"RSET") for verb, run, words in (
        (b"MAIL", mail, "MAIL FROM:<address> [parameters of EHLO's keywords]: begin a message"),
        (b"RCPT", rcpt, "RCPT TO:<address> [parameters of EHLO's keywords]: one more recipient"),
        (b"DATA", data, "DATA: the message follows, up to a line with a dot alone"),
        (b"RSET", rset, "RSET: forget the message that was begun"),
    )
))
