"""The control socket, wherever the data folder lies."""

from __future__ import annotations

import socket
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.app.control import SOCKET_NAME, ControlError, ControlFactory, NotRunning, Streaming, Tell, ask, listen


class ControlTests(TestCase):
    async def test_a_long_path_is_listened_on_asked_and_left(self) -> None:
        """A Unix socket's name ends at 107 octets, a data folder's does not."""
        data = Path(self.mktemp()).absolute() / ("a long name " * 10)
        data.mkdir(parents=True)

        async def echo(request: object) -> object:
            return request

        port = listen(reactor, data, ControlFactory({"echo": echo}))
        try:
            self.assertEqual({"do": "echo"}, await deferToThread(ask, data, {"do": "echo"}))
        finally:
            await port.stopListening()
        self.assertFalse((data / SOCKET_NAME).exists())
        with self.assertRaises(NotRunning):
            await deferToThread(ask, data, {"do": "echo"})

    async def test_news_comes_before_the_answer(self) -> None:
        data = Path(self.mktemp()).absolute()
        data.mkdir()

        async def work(request: Mapping[str, Any], tell: Tell) -> str:
            for number in range(request["times"]):
                tell({"at": number})
            if request["times"] == 2:
                raise ControlError("two is too many")
            return "done"

        port = listen(reactor, data, ControlFactory({"work": Streaming(work)}))
        self.addCleanup(port.stopListening)
        heard: list[Any] = []
        self.assertEqual("done", await deferToThread(ask, data, {"do": "work", "times": 3}, 30.0, heard.append))
        self.assertEqual([{"at": 0}, {"at": 1}, {"at": 2}], heard)
        with self.assertRaisesRegex(ControlError, "two is too many"):
            await deferToThread(ask, data, {"do": "work", "times": 2}, 30.0, heard.append)
        with self.assertRaisesRegex(ControlError, "knows nothing of 'play'"):
            await deferToThread(ask, data, {"do": "play"})

    async def test_long_work_ends_when_the_asker_goes_and_when_the_server_stops(self) -> None:
        folder = tempfile.TemporaryDirectory()          # of a short name
        self.addCleanup(folder.cleanup)
        data = Path(folder.name)
        begun, ended = Deferred[None](), Deferred[None]()

        async def work(request: Mapping[str, Any], tell: Tell) -> None:
            nonlocal begun, ended
            begun.callback(None)
            try:
                await Deferred[None](lambda _: None)
            except CancelledError:
                ended.callback(None)
                raise

        port = listen(reactor, data, ControlFactory({"work": Streaming(work)}))
        with socket.socket(socket.AF_UNIX) as asker:
            asker.connect(str(data / SOCKET_NAME))
            asker.sendall(b'{"do": "work"}\n')
            await begun
        await ended
        begun, ended = Deferred[None](), Deferred[None]()
        asking = deferToThread(ask, data, {"do": "work"}, 30.0, lambda news: None)
        await begun
        await port.stopListening()
        await ended
        with self.assertRaisesRegex(ControlError, "the server stops|closed the connection"):
            await asking
