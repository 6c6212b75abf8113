"""How much of a message comes back with a report (RFC 3461 section 4.3)."""

from __future__ import annotations

from email import message_from_bytes

import pytest
from support.mailparts import KeepingAgent
from support.queueworld import World, to
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent
from mailframe.model.envelope import Envelope
from mailframe.model.refusal import MessageTooBig, RemoteRefusal
from mailframe.queue.schedule import RetrySettings

NOBODY = RemoteRefusal(smtp=(550, "5.1.1"))
TEXT = b"Subject: long\r\n\r\n" + b"x" * 98 + b"\r\n"
FULL, HEADER = "message/rfc822", "text/rfc822-headers"


def returned(world: World) -> str:
    [(_, _, octets)] = world.reports.kept
    return message_from_bytes(octets).get_payload()[2].get_content_type()      # type: ignore[union-attr, index, no-any-return]


@pytest.mark.parametrize(("most", "ret", "kind"), [
    (len(TEXT), "FULL", FULL), (len(TEXT) - 1, "FULL", HEADER), (len(TEXT), "HDRS", HEADER), (len(TEXT), None, HEADER),
])
def test_a_message_comes_back_whole_up_to_the_limit(most: int, ret: str | None, kind: str) -> None:
    world = World(RetrySettings(max_returned_octets=most))
    world.relay.answer = lambda _: NOBODY
    world.queue(to("bob@example.net"), content=TEXT, ret=ret)
    assert returned(world) == kind


def test_a_success_brings_back_the_header_alone() -> None:
    """RET is about failures."""
    world = World()
    world.queue(to("bob@example.net", "SUCCESS"), content=TEXT, ret="FULL")
    assert returned(world) == HEADER


def test_a_binary_message_comes_back_as_its_header_in_lines_that_end_nothing() -> None:
    """I5: a report is sent by lines, to hosts that may take a bare newline and a dot for the end of it."""
    world = World()
    world.relay.answer = lambda _: NOBODY
    binary = b"Subject: raw\n.\r\nX-Odd: a\rb\0\nc\r\nContent-Transfer-Encoding: binary\r\n\r\n\0\n.\r\nQUIT\r\n"
    world.queue(to("bob@example.net"), content=binary, ret="FULL", body="BINARYMIME")
    assert returned(world) == HEADER
    [(_, _, octets)] = world.reports.kept
    assert b"\r\nSubject: raw?.\r\nX-Odd: a?b??c\r\nContent-Transfer-Encoding: binary\r\n" in octets and b"QUIT" not in octets
    assert not set(b"\r\n\0").intersection(octets.replace(b"\r\n", b""))


@implementer(IDeliveryAgent)
class Small(KeepingAgent):
    """Takes only little."""

    async def begin(self, envelope: Envelope) -> IDelivery:
        delivery = await super().begin(envelope)
        write = delivery.write

        async def limited(octets: bytes) -> None:
            if len(octets) > 5_000:
                raise MessageTooBig
            await write(octets)

        delivery.write = limited        # type: ignore[method-assign]
        return delivery


def test_a_report_too_big_with_all_of_it_is_made_with_the_header() -> None:
    small = Small()
    world = World(reports=small)
    world.relay.answer = lambda _: NOBODY
    world.queue(to("bob@example.net"), content=TEXT * 60, ret="FULL")
    world.reports = small
    assert returned(world) == HEADER and small.aborted == 1 and world.is_empty()
