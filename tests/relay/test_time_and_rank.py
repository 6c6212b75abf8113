"""What is asked about time and rank goes on with the message, to hosts that keep it: with real DNS and SMTP peers on loopback."""

from __future__ import annotations

import re
import time
from dataclasses import replace

from support.relayworld import BOB, ENVELOPE, RelayCase

from mailframe.model.envelope import DeliverBy, Envelope
from mailframe.model.handed import Handed

KEEPS = ("PIPELINING", "DSN", "DELIVERBY", "MT-PRIORITY MIXER")


def within(seconds: float, *, notify: bool = False) -> Envelope:
    return replace(ENVELOPE, deliver_by=DeliverBy(time.time() + seconds, notify, True), priority=3)


class TimeAndRankTests(RelayCase):
    """RFC 2852 section 4.1.4, RFC 6710."""

    async def test_the_time_that_is_left_and_the_priority_are_passed_on(self) -> None:
        self.first.keywords = KEEPS
        outcomes = await self.deliver(BOB, envelope=within(100))
        self.assertEqual(outcomes, {BOB: None})
        assert isinstance(outcomes, Handed)
        self.assertEqual((outcomes.timed, outcomes.reporting), ({BOB}, {BOB}))
        message, = self.first.messages
        found = re.fullmatch(r"MAIL FROM:<alice@example\.com> BY=(\d+);RT MT-PRIORITY=3", message.mail)
        assert found is not None, message.mail
        self.assertTrue(80 <= int(found[1]) <= 100, message.mail)

    async def test_by_mode_r_passes_over_the_host_that_does_not_keep_it(self) -> None:
        self.second.keywords = KEEPS
        self.assertEqual(await self.deliver(BOB, envelope=within(100)), {BOB: None})
        self.assertEqual((len(self.first.messages), len(self.second.messages)), (0, 1))

    async def test_by_mode_r_is_refused_when_no_host_keeps_it(self) -> None:
        outcome = (await self.deliver(BOB, envelope=within(100)))[BOB]
        assert outcome is not None
        self.assertEqual((outcome.smtp, self.first.messages), ((550, "5.3.3"), []))

    async def test_by_mode_r_is_refused_when_less_is_left_than_they_want(self) -> None:
        self.first.keywords = self.second.keywords = ("DELIVERBY 1000",)
        outcome = (await self.deliver(BOB, envelope=within(100)))[BOB]
        assert outcome is not None
        self.assertEqual(outcome.smtp, (550, "5.4.7"))

    async def test_by_mode_n_goes_anywhere(self) -> None:
        outcomes = await self.deliver(BOB, envelope=within(-100, notify=True))
        self.assertEqual(outcomes, {BOB: None})
        assert isinstance(outcomes, Handed)
        self.assertEqual(outcomes.timed, set())
        self.assertNotIn("BY=", self.first.messages[0].mail)
