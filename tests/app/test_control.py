"""The control socket, wherever the data folder lies."""

from __future__ import annotations

from pathlib import Path

from twisted.internet import reactor
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import TestCase

from mailframe.app.control import SOCKET_NAME, ControlFactory, NotRunning, ask, listen


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
