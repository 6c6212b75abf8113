"""A mailframe server in a process of its own that measures its reactor's heartbeat (I2); one JSON line on request.

Reads lines on standard input: "report" prints what was measured since the last report, "profile" begins a profile of the
reactor's thread and "profile PATH" ends it and writes it there, "rest" and "beat" stop the heartbeat and let it go on,
"watch PATH" from now on writes there what every thread was at whenever a beat is 20 ms late; end of input stops the server. It
logs as under ``twistd --logfile``, to a file in its data folder: what that costs counts. The storage is a short option, or a
table in JSON.
"""

from __future__ import annotations

import cProfile
import gc
import json
import resource
import socket
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import Any

from twisted.internet import reactor as _reactor
from twisted.internet import stdio
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import globalLogBeginner, textFileLogObserver
from twisted.protocols.basic import LineReceiver
from twisted.python.logfile import LogFile

from mailframe.app.config import Config, Listener
from mailframe.app.service import MailService
from mailframe.app.steady import steady
from mailframe.app.toml import PluginSpec
from mailframe.imap.settings import ImapSettings
from mailframe.pipeline.settings import PipelineSettings
from mailframe.relay.settings import RelaySettings, Smarthost
from mailframe.smtp.settings import SmtpSettings

reactor: Any = _reactor
BEAT_S = 0.001
WATCHED_S = 0.006
LARGEST = 1 << 30
CROWD = 5_000         # connections, all of them from this machine


class Heartbeat:
    """How late a call comes that is due every millisecond, and how long the reactor itself computed meanwhile at most."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.busiest = 0.0
        self._cpu = time.thread_time()
        self._next: IDelayedCall | None = None
        self.go_on()

    def go_on(self) -> None:
        """After `rest`."""
        if self._next is None:
            self._due = time.perf_counter() + BEAT_S
            self._next = reactor.callLater(BEAT_S, self._beat)

    def rest(self) -> None:
        """Measure nothing: a thousand beats cost 35 ms, which others' work is not to be charged with."""
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def _beat(self) -> None:
        now = time.perf_counter()
        self.delays.append(max(0.0, now - self._due))
        cpu = time.thread_time()
        self.busiest, self._cpu = max(self.busiest, cpu - self._cpu), cpu
        self._due = now + BEAT_S
        self._next = reactor.callLater(BEAT_S, self._beat)

    def report(self) -> list[float]:
        """All delays since the last report, in milliseconds."""
        delays, self.delays = self.delays, []
        return [round(1000 * delay, 3) for delay in delays]

    def watch(self, path: Path) -> None:
        """Write there what all threads are at when the reactor is late. Who computes in C without a pause is not caught at it."""
        threading.Thread(target=self._watching, args=(path, threading.get_native_id()), daemon=True).start()

    def _watching(self, path: Path, thread: int) -> None:
        seen = 0.0
        with path.open("a") as file:
            while True:
                time.sleep(0.002)
                late, due = time.perf_counter() - self._due, self._due
                if late < WATCHED_S or due == seen:
                    continue
                seen = due
                kernel = Path(f"/proc/self/task/{thread}/wchan").read_text()
                print(f"---- {1000 * late:.0f} ms late already, the kernel: {kernel}", file=file)
                for ident, frame in sys._current_frames().items():
                    if ident != threading.get_ident():
                        print(f"thread {ident}\n", *traceback.format_stack(frame)[-9:], file=file)
                file.flush()


class Collector:
    """How long Python's garbage collector made everybody wait."""

    def __init__(self) -> None:
        self.begun = 0.0
        self.pauses: list[tuple[float, int]] = []
        gc.callbacks.append(self._note)

    def _note(self, phase: str, info: dict[str, int]) -> None:
        if phase == "start":
            self.begun = time.perf_counter()
        else:
            self.pauses.append((1000 * (time.perf_counter() - self.begun), info["generation"]))

    def report(self) -> dict[str, float]:
        pauses, self.pauses = self.pauses, []
        return {
            "runs": len(pauses), "full": sum(generation == 2 for _, generation in pauses),
            "ms": sum(pause for pause, _ in pauses), "max_ms": max(pauses, default=(0.0, 0))[0],
        }


class Commands(LineReceiver):
    delimiter = b"\n"

    def __init__(self, service: MailService, heartbeat: Heartbeat) -> None:
        self.service = service
        self.heartbeat = heartbeat
        self.collector = Collector()
        self.cpu = time.process_time()
        self.profile: cProfile.Profile | None = None

    def lineReceived(self, line: bytes) -> None:
        word, _, path = line.decode().partition(" ")
        if word == "profile":
            self._profile(path)
        elif word == "rest":
            self.heartbeat.rest()
        elif word == "beat":
            self.heartbeat.go_on()
        elif word == "watch":
            self.heartbeat.watch(Path(path))
        else:
            self.sendLine(json.dumps(self._report()).encode())     # a pipe takes 64 KiB at once

    def _report(self) -> dict[str, Any]:
        engine = getattr(self.service.parts.store, "engine", None)
        busiest, self.heartbeat.busiest = self.heartbeat.busiest, 0.0
        cpu, self.cpu = time.process_time() - self.cpu, time.process_time()
        return {
            "heartbeat_ms": self.heartbeat.report(), "cpu_s": round(cpu, 3), "collector": self.collector.report(),
            "busiest_ms": round(1000 * busiest, 3),
            "commits": getattr(engine, "commits", 0), "jobs": getattr(engine, "jobs", 0),
            "rss_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        }

    def _profile(self, path: str) -> None:
        if self.profile is None:
            self.profile = cProfile.Profile()
            self.profile.enable()
        else:
            self.profile.disable()
            self.profile.dump_stats(path)
            self.profile = None

    def connectionLost(self, reason: object = None) -> None:
        if reactor.running:
            reactor.stop()


def chosen(storage: str) -> PluginSpec:
    if not storage.startswith("{"):
        return PluginSpec.short(storage)
    settings = json.loads(storage)
    return PluginSpec(settings.pop("plugin"), settings)


def main(data: Path, storage: str) -> None:
    mute = socket.create_server(("127.0.0.1", 0))       # a smarthost that never answers: what is queued, stays so
    log = LogFile.fromFullPath(str(data / "twistd.log"))  # type: ignore[no-untyped-call]
    globalLogBeginner.beginLoggingTo([textFileLogObserver(log)], redirectStandardIO=False)
    config = Config(
        hostname="bench.example", domains=("bench.example",), data=data,
        listeners={
            "smtp": Listener("mx", "tcp:0:interface=127.0.0.1"),
            "submission": Listener("submission", "tcp:0:interface=127.0.0.1", plaintext_login="always"),
            "imap": Listener("imap", "tcp:0:interface=127.0.0.1", plaintext_login="always"),
            "pop3": Listener("pop3", "tcp:0:interface=127.0.0.1", plaintext_login="always"),
        },
        auth=(PluginSpec("file", {"path": str(data / "accounts")}),), storage=chosen(storage),
        pipeline=PipelineSettings(max_octets=LARGEST),
        smtp=SmtpSettings(max_message_octets=LARGEST, max_connections=CROWD, max_connections_per_ip=CROWD),
        relay=RelaySettings(smarthost=Smarthost("127.0.0.1", mute.getsockname()[1], "none")),
        imap=ImapSettings(max_message_octets=LARGEST),
    )
    service = MailService(config, reactor)
    service.privilegedStartService()
    service.startService()
    reactor.addSystemEventTrigger("before", "shutdown", service.stopService)

    def ready(_: object) -> None:
        steady(reactor)
        print(json.dumps({name: port for name, (_, port) in service.addresses().items()}), flush=True)
        stdio.StandardIO(Commands(service, Heartbeat()), reactor=reactor)

    service.started.addCallback(ready)
    service.started.addErrback(lambda failure: (failure.printTraceback(), reactor.stop()))
    reactor.run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
