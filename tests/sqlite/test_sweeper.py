"""Sweeping goes on, whatever one sweep met."""

from __future__ import annotations

from twisted.internet.task import Clock
from twisted.logger import capturedLogs, formatEvent
from twisted.trial.unittest import SynchronousTestCase

from mailframe.model.refusal import StorageFull
from mailframe.sqlite.errors import EngineError
from mailframe.sqlite.sweeper import Sweeper


class SweeperTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.swept = 0
        self.fault: Exception | None = None
        self.clock = Clock()
        self.sweeper = Sweeper("cellars", self.sweep, self.clock)

    async def sweep(self) -> None:
        self.swept += 1
        if self.fault is not None:
            raise self.fault

    def test_it_comes_back_until_it_is_stopped_and_twice_is_once(self) -> None:
        self.sweeper.start()
        self.sweeper.start()
        self.assertEqual(self.swept, 0)
        self.clock.pump([60.0] * 3)
        self.assertEqual(self.swept, 3)
        self.sweeper.stop()
        self.sweeper.stop()
        self.clock.pump([60.0] * 3)
        self.assertEqual((self.swept, self.clock.getDelayedCalls()), (3, []))

    def test_a_fault_is_logged_by_name_and_the_next_sweep_comes(self) -> None:
        self.fault = RuntimeError("a beam fell")
        self.sweeper.start()
        with capturedLogs() as logs:
            self.clock.pump([60.0] * 2)
        self.assertEqual(self.swept, 2)
        self.assertIn("sweeping cellars failed", str(formatEvent(logs[0])))
        self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 2)
        self.sweeper.stop()

    def test_a_full_disk_is_one_line(self) -> None:
        self.fault = StorageFull(detail="the disk")
        self.sweeper.start()
        with capturedLogs() as logs:
            self.clock.pump([60.0] * 2)
        self.assertEqual([str(formatEvent(event)) for event in logs], [
            "sweeping cellars failed, will be tried again: Out of storage space, please try again later (the disk)"] * 2)
        self.assertEqual((self.swept, self.flushLoggedErrors()), (2, []))
        self.sweeper.stop()

    def test_an_engine_that_is_closed_meanwhile_is_no_fault(self) -> None:
        self.fault = EngineError("the database is closed")
        self.sweeper.start()
        self.clock.advance(60.0)
        self.assertEqual((self.swept, self.flushLoggedErrors()), (1, []))
        self.sweeper.stop()
