"""The Marionette protocol, by which Mozilla's programs are told what to do: JSON over TCP, each packet behind its length."""

from __future__ import annotations

import json
import socket
from typing import Any

from support.servers import PATIENCE_S


class ScriptError(Exception):
    """What the program answers when a command fails."""


class Marionette:
    """A session in the program's own window, where scripts may do all that its own code may."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=3 * PATIENCE_S)
        self._stream = self._socket.makefile("rb")
        self._number = 0
        greeting = self._read()
        assert greeting["marionetteProtocol"] == 3, greeting
        self.command("WebDriver:NewSession", capabilities={})
        self.command("WebDriver:SetTimeouts", script=int(2 * PATIENCE_S * 1000))
        self.command("Marionette:SetContext", value="chrome")

    def _read(self) -> Any:
        length = b""
        while (octet := self._stream.read(1)) != b":":
            if not octet:
                raise ScriptError("the program has closed the connection")
            length += octet
        return json.loads(self._stream.read(int(length)))

    def command(self, name: str, **parameters: Any) -> Any:
        self._number += 1
        packet = json.dumps([0, self._number, name, parameters]).encode()
        self._socket.sendall(b"%d:%s" % (len(packet), packet))
        _, number, error, result = self._read()
        assert number == self._number
        if error:
            raise ScriptError(f"{error['error']}: {error['message']}\n{error.get('stacktrace', '')}")
        return result

    def run(self, script: str, *arguments: Any) -> Any:
        """What an asynchronous function with this body returns; it finds `arguments` under that name."""
        body = f"return (async (...arguments) => {{{script}}})(...arguments[0])"
        return self.command("WebDriver:ExecuteScript", script=body, args=[list(arguments)])["value"]

    def quit(self) -> None:
        self.command("Marionette:Quit", flags=["eForceQuit"])
        self.close()

    def close(self) -> None:
        self._stream.close()
        self._socket.close()
