"""What stands behind each port: the protocol that its listener asks for."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from twisted.internet.interfaces import IProtocolFactory

from mailframe.app.config import Config, Listener
from mailframe.app.parts import Parts
from mailframe.imap.server import ImapServerFactory
from mailframe.interfaces.content import IContent
from mailframe.pacing.turns import Turns
from mailframe.pipeline.solicitation import ROLES as SOLICITED
from mailframe.pop3.locks import MaildropLocks
from mailframe.pop3.server import Pop3ServerFactory
from mailframe.smtp.server import SmtpServerFactory
from mailframe.tls.handshakes import Handshakes


def factory_for(name: str, listener: Listener, parts: Parts, locks: MaildropLocks, turns: Turns) -> IProtocolFactory:
    """`locks` and `turns` are those of the whole server."""
    config, reactor = parts.config, parts.reactor
    handshakes = Handshakes(reactor, name, config.tls.handshake_timeout_s)
    tls = parts.tls if listener.tls == "starttls" else None
    factory: Any
    table = config.smtp_for(listener.role)
    if table is not None:
        settings = replace(table, hostname=config.hostname, plaintext_login=listener.plaintext_login,
                           etrn=table.etrn and (listener.role != "mx" or _strangers_may(config)),
                           no_soliciting=config.pipeline.no_soliciting if listener.role in SOLICITED else (),
                           max_recipients=min(table.max_recipients, config.pipeline.max_recipients),
                           max_message_octets=_least(table.max_message_octets, config.pipeline.max_octets))
        if listener.role == "submission":
            settings = replace(settings, complete_domain=config.pipeline.submission.complete_domain)
        portal = parts.portal if table.wants_login else None
        factory = SmtpServerFactory(parts.pipeline, settings, clock=reactor, portal=portal, tls=tls, listener=name, turns=turns,
                                    traces=parts.traces, handshakes=handshakes)
    elif listener.role == "imap":
        contact = config.imap.contact or f"mailto:postmaster@{config.domains[0] if config.domains else config.hostname}"
        factory = ImapServerFactory(
            parts.portal,
            replace(config.imap, hostname=config.hostname, plaintext_login=listener.plaintext_login, contact=contact),
            clock=reactor, tls=tls, content=parts.store if IContent.providedBy(parts.store) else None, turns=turns,
            keys=parts.keys, handshakes=handshakes)
    else:
        factory = Pop3ServerFactory(
            parts.portal, replace(config.pop3, plaintext_login=listener.plaintext_login), clock=reactor, tls=tls, locks=locks,
            turns=turns, handshakes=handshakes)
    made: IProtocolFactory = factory
    return made


def _strangers_may(config: Config) -> bool:
    """Whether ETRN is of use to anybody who has not logged in."""
    return bool(config.pipeline.relay_networks or config.pipeline.route.relay_domains)


def _least(announced: int, taken: int) -> int:
    """What SIZE may promise: no more than the pipeline takes; 0 is no limit."""
    return min(announced or taken, taken)
