"""Every conversation in tests/transcripts/submission: SMTP over a pipeline, as it stands and octet by octet (I4)."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support.memory import MemoryTransport
from support.pipelineworld import PipelineWorld
from support.smtpworld import make_portal
from support.transcripts import Player, bytewise, whole

from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.settings import RateSettings, SubmissionSettings
from mailframe.smtp.server import SmtpServerFactory
from mailframe.smtp.session import SmtpSession
from mailframe.smtp.settings import SmtpSettings

FOLDER = Path(__file__).parents[1] / "transcripts" / "submission"
SETTINGS: dict[str, dict[str, Any]] = {
    "from": {"allow_from": {"bob": ("sales@example.org",)}},
    "rates": {"rates": RateSettings(messages_per_hour=2, recipients_per_hour=3)},
    "long-header": {"max_header_octets": 4_096},
}


@pytest.mark.parametrize("cut", [whole, bytewise])
@pytest.mark.parametrize("name", sorted(path.stem for path in FOLDER.glob("*.txt")))
def test_transcript(name: str, cut: Callable[[bytes], list[bytes]]) -> None:
    world = PipelineWorld(settings=PipelineSettings(submission=SubmissionSettings(**SETTINGS.get(name, {}))))
    settings = SmtpSettings(hostname="mx.example.org", role="submission", max_errors=100)
    factory = SmtpServerFactory(
        world.pipeline, settings, clock=world.clock, portal=make_portal(), random=random.Random(7))
    protocol: SmtpSession = factory.buildProtocol(None)
    actions = {"send 300 folded lines": lambda: player.send(b" a.rather.long.address@example.net,\r\n" * 300)}
    player = Player(protocol, MemoryTransport("192.0.2.7", tls=True), world.clock, cut=cut, actions=actions)
    player.play((FOLDER / f"{name}.txt").read_text())
    assert factory.connections == 0
    world.runner.start()
    assert all(b"secret" not in octets for _, octets in world.relay.tries)
