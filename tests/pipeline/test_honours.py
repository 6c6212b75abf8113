"""What EHLO may announce is what everybody on the way keeps (`interfaces.delivery.IHonours`)."""

from __future__ import annotations

from support.mailparts import KeepingAgent, TableDirectory
from support.queueworld import World
from twisted.internet.task import Clock
from zope.interface import implementer

from mailframe.interfaces.delivery import IHonours
from mailframe.pipeline.dispatch import Pipeline
from mailframe.pipeline.settings import PipelineSettings
from mailframe.queue.agent import CARRIED, QueueAgent
from mailframe.relay.agent import RelayAgent


def pipeline(local: object, queue: object) -> Pipeline:
    return Pipeline(TableDirectory({}), local, queue, (), PipelineSettings(), clock=Clock(), hostname="mx.example.org")  # type: ignore[arg-type]


def test_what_is_carried_on_is_promised_only_where_the_relay_keeps_it() -> None:
    spool = World().spool
    assert "REQUIRETLS" not in QueueAgent(spool).honours, "a relay of whom nothing is known"
    assert QueueAgent(spool, onward={"REQUIRETLS", "X-OTHER"}).honours - QueueAgent(spool).honours == {"REQUIRETLS"}
    assert QueueAgent(spool, onward=CARRIED).honours >= CARRIED, "nothing leaves this machine: it is kept by doing nothing"
    assert RelayAgent.honours >= CARRIED


def test_the_pipeline_promises_what_its_queue_does_and_without_one_what_its_agent_does() -> None:
    @implementer(IHonours)
    class Sure(KeepingAgent):
        honours = frozenset({"REQUIRETLS"})

    spool = World().spool
    assert "REQUIRETLS" not in pipeline(Sure(), QueueAgent(spool)).honours
    assert "REQUIRETLS" in pipeline(KeepingAgent(), QueueAgent(spool, onward=CARRIED)).honours
    assert "REQUIRETLS" in pipeline(Sure(), None).honours
    assert "REQUIRETLS" not in pipeline(KeepingAgent(), None).honours
