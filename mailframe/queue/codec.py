"""Envelopes, recipients and problems as the text that the spool keeps [pure]: JSON, read tolerantly across versions."""

from __future__ import annotations

import json
from typing import Any

from mailframe.model.address import Address
from mailframe.model.envelope import DeliverBy, Envelope, Peer, Recipient

from .item import Problem


def dump_envelope(envelope: Envelope) -> str:
    """Only what the way on needs: of the peer its account, address and greeting, for logs."""
    peer = envelope.peer
    return _dump({
        "id": envelope.id, "sender": _address(envelope.sender), "at": envelope.received_at, "body": envelope.body,
        "utf8": envelope.smtputf8, "ret": envelope.ret, "envid": envelope.envid,
        "peer": [peer.ip, peer.helo, peer.protocol, peer.account], **_asked(envelope),
    })


def load_envelope(text: str) -> Envelope:
    kept = json.loads(text)
    ip, helo, protocol, account = kept["peer"]
    return Envelope(
        kept["id"], _load_address(kept["sender"]), Peer(ip, helo=helo, protocol=protocol, account=account), kept["at"], None,
        kept["body"], kept["utf8"], kept["ret"], kept["envid"], kept.get("hold"), _load_deliver_by(kept.get("by")),
        kept.get("priority", 0), kept.get("tls", False), kept.get("solicit", ""),
    )


def _asked(envelope: Envelope) -> dict[str, Any]:
    """What few senders ask for: written only where it is there."""
    by = envelope.deliver_by
    asked = {
        "hold": envelope.hold_until, "by": [by.at, by.notify, by.trace] if by else None, "priority": envelope.priority,
        "tls": envelope.require_tls, "solicit": envelope.solicitation,
    }
    return {key: value for key, value in asked.items() if value}


def _load_deliver_by(kept: list[Any] | None) -> DeliverBy | None:
    return None if kept is None else DeliverBy(*kept)


def dump_recipient(recipient: Recipient) -> str:
    return _dump({
        "to": _address(recipient.address), "notify": sorted(recipient.notify), "orcpt": recipient.orcpt,
        "account": recipient.account, "folder": recipient.folder, **_rare(recipient),
    })


def load_recipient(text: str) -> Recipient:
    kept = json.loads(text)
    return Recipient(
        Address(*kept["to"]), frozenset(kept["notify"]), kept["orcpt"], kept["account"], kept["folder"],
        expanded=kept.get("expanded", False), valid_since=kept.get("since"),
        without_rrvs=kept.get("without_rrvs", ""))


def _rare(recipient: Recipient) -> dict[str, Any]:
    """Written only where it is there."""
    rare = {"since": recipient.valid_since, "without_rrvs": recipient.without_rrvs, "expanded": recipient.expanded}
    return {key: value for key, value in rare.items() if value}


def dump_problem(problem: Problem | None) -> str | None:
    return None if problem is None else _dump([problem.text, problem.code, problem.status, problem.mta, problem.diagnostic])


def load_problem(text: str | None) -> Problem | None:
    return None if text is None else Problem(*json.loads(text))


def _dump(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))      # ASCII alone: lone surrogates survive, too


def _address(address: Address | None) -> list[str] | None:
    return None if address is None else [address.local, address.domain]


def _load_address(kept: list[str] | None) -> Address | None:
    return None if kept is None else Address(*kept)
