"""A whole server in this process, with short deadlines, for plugins that raise, hang or lie (I7)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.logger import formatEvent, globalLogPublisher
from twisted.trial.unittest import TestCase

from mailframe.app import service as service_module
from mailframe.app.config import Config, Listener
from mailframe.app.service import MailService
from mailframe.imap.settings import ImapSettings
from mailframe.pipeline.filters import FilterSettings
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pop3.settings import Pop3Settings
from mailframe.smtp.settings import SmtpSettings
from mailframe.stores.memory import MemoryStore
from mailframe.testing.temporary import TemporaryPlaces

SOON_S = 0.3            # the deadlines here: hanging plugins never answer, so that nothing depends on how long this is


def raising(*_: Any) -> Any:
    raise ZeroDivisionError("a fault in a plugin")


def hanging(*_: Any) -> Any:
    return Deferred()


def lying(*_: Any) -> Any:
    return 42


class ServesFaults(TemporaryPlaces, TestCase):
    timeout = 60

    async def serve(self, **parts: Any) -> dict[str, int]:
        """Ports by listener, of a server with short deadlines."""
        self.patch(service_module, "STOP_PATIENCE_S", SOON_S)
        self.addCleanup(self.flushLoggedErrors)
        loopback = "127.0.0.1:0"
        config = Config(
            data=Path(self.mktemp()), domains=("example.org",), hostname="mail.example.org",
            listeners={"smtp": Listener("smtp", loopback), "imap": Listener("imap", loopback, plaintext_login="loopback"),
                       "pop3": Listener("pop3", loopback, plaintext_login="loopback"),
                       "submission": Listener("submission", loopback, plaintext_login="loopback")},
            pipeline=PipelineSettings(deadline_s=SOON_S, filters=FilterSettings(deadline_s=SOON_S)),
            imap=ImapSettings(command_timeout_s=SOON_S, login_failure_delay_s=0.0),
            submission=SmtpSettings(auth_failure_delay_s=0.0),
            pop3=Pop3Settings(login_timeout_s=SOON_S, command_timeout_s=SOON_S, auth_failure_delay_s=0.0),
            parts={"storage": MemoryStore(), **parts})
        service = MailService(config, reactor)
        service.startService()
        self.addCleanup(service.stopService)
        await service.started
        self.log: list[str] = []
        globalLogPublisher.addObserver(self.note)
        self.addCleanup(globalLogPublisher.removeObserver, self.note)
        return {name: port for name, (_, port) in service.addresses().items()}

    def note(self, event: Any) -> None:
        self.log.append(f"{event['log_level'].name} {formatEvent(event)}")

    def named(self, plugin: str) -> None:
        """The log names the plugin where it tells of a fault."""
        told = [line for line in self.log if line.startswith(("error", "critical", "warn")) and plugin in line]
        self.assertTrue(told, "\n".join(self.log))
        self.flushLoggedErrors()
