"""XCLIENT (Postfix's XCLIENT_README): a proxy or filter that we trust says for whom it speaks, and the session begins afresh."""

from __future__ import annotations

from dataclasses import replace

from mailframe.model.envelope import Peer
from mailframe.model.networks import UNIX, within

from ..asking import log
from ..attributes import Reader, address, hello, host, one_of, plain, port, read_attributes
from ..extension import Command, Conversation, Extension
from ..machine import ORDER
from ..reply import Reply
from ..situation import Situation

_READERS: dict[str, Reader] = {
    "NAME": host, "ADDR": address, "PORT": port, "PROTO": one_of("SMTP", "ESMTP"), "HELO": hello, "LOGIN": plain,
    "DESTADDR": address, "DESTPORT": port,
}
_WITHOUT_LOGIN = {name: reader for name, reader in _READERS.items() if name != "LOGIN"}
_NOBODY = "0.0.0.0"     # whose address is [UNAVAILABLE]: not the proxy's, which may be allowed things
_NOT_YOU = Reply.of(550, "5.7.0", "Insufficient authorization")


def keywords(situation: Situation) -> tuple[str, ...]:
    """``XCLIENT NAME ADDR ...``: to who may use it alone, with LOGIN where logging in is possible at all."""
    if not within(situation.origin, situation.settings.xclient_from):
        return ()
    return (" ".join(["XCLIENT", *_readers(situation)]),)


def run(session: Conversation, args: bytes) -> None:
    """What is not said stays as it was, unless it is another client now; HELO and a login are to be said each time.

    Whether XCLIENT may be used is a matter of the connection's address, which XCLIENT does not change.
    """
    situation, peer = session.situation, session.peer
    if not within(situation.origin, situation.settings.xclient_from):
        session.complain(_NOT_YOU)
        return
    said = read_attributes(args, _readers(situation))
    ip = said["ADDR"] or _NOBODY if "ADDR" in said else peer.ip
    if ip != peer.ip:
        peer = Peer(ip, listener=peer.listener, role=peer.role)
    told = replace(
        peer, port=int(said.get("PORT") or peer.port), name=said.get("NAME", peer.name), helo=said.get("HELO", ""),
        protocol=said.get("PROTO") or peer.protocol, via=situation.origin or UNIX)
    log.info("xclient via={via} ip={ip} {said}", via=told.via, ip=told.ip,
             said=" ".join(f"{name.lower()}={value or '-'}" for name, value in said.items()))
    session.afresh(told, said.get("LOGIN") or None)


def _readers(situation: Situation) -> dict[str, Reader]:
    return _READERS if situation.login_available else _WITHOUT_LOGIN


EXTENSION = Extension(
    "XCLIENT", "Postfix's XCLIENT_README", keywords=keywords, commands=(Command(b"XCLIENT", ORDER[b"XCLIENT"], run),))
