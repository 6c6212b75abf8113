"""Many large messages at once: they pass through the server, which does not grow by them (I3)."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from support.servers import MailServer, listeners, running
from support.smtptalk import Talk

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

HOST, USER, PASSWORD = "127.0.0.1", "bob@one.example", "correct horse"
MIB = 1 << 20
CONNECTIONS, EACH_MIB = 10, 20
MAY_GROW_MIB = 32                   # for 200 MiB; the mark is 64 for 5,000 (tests/benchmarks/smtp_big.py measures it)
CONFIG = """
hostname = "mail.one.example"
data = "data"
domains = ["one.example"]
storage = "{storage}"
""" + listeners("smtp")
BLOCK = b"".join(b"%076d\r\n" % number for number in range(MIB // 78))


def kib(server: MailServer, name: str) -> int:
    for line in Path(f"/proc/{server.process.pid}/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise AssertionError(name)


def hand_in(talk: Talk, number: int, mib: int, answers: list[str]) -> None:
    """By DATA and by BDAT in turns, some of it under TLS; no two are equal."""
    if number % 4 == 0:
        talk.start_tls()
        talk.say("EHLO client.example")
    talk.say("MAIL FROM:<a@far.example>")
    talk.say(f"RCPT TO:<{USER}>")
    head = b"Subject: large %d\r\n\r\n" % number
    if number % 2:
        talk.say("DATA")
        talk.send(head)
        for _ in range(mib):
            talk.send(BLOCK)
        answers.append(talk.say("."))
        return
    talk.send(b"BDAT %d\r\n" % len(head) + head)
    for _ in range(mib):
        talk.send(b"BDAT %d\r\n" % len(BLOCK))
        talk.send(BLOCK)
    talk.send(b"BDAT 0 LAST\r\n")
    answers += [talk.reply() for _ in range(mib + 2)][-1:]


def together(server: MailServer, mib: int) -> None:
    answers: list[str] = []
    talks = [Talk(HOST, server.ports["smtp"]) for _ in range(CONNECTIONS)]
    senders = [threading.Thread(target=hand_in, args=(talk, number, mib, answers)) for number, talk in enumerate(talks)]
    for sender in senders:
        sender.start()
    for sender in senders:
        sender.join()
    for talk in talks:
        talk.close()
    assert len(answers) == CONNECTIONS and all(answer.startswith("250 2.0.0 Ok: queued") for answer in answers), answers


@pytest.mark.parametrize("storage", ["sqlite", "maildir:mail"])
def test_ten_large_messages_at_once_do_not_make_the_server_grow(storage: str, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "mailframe.toml").write_text(CONFIG.replace("{storage}", storage))
    add(tmp_path / "data" / "accounts", USER, hash_password(PASSWORD))
    server = MailServer(tmp_path, "--config", "mailframe.toml")
    with running(server):
        together(server, 1)         # warm: threads, TLS, code
        before = kib(server, "VmRSS")
        Path(f"/proc/{server.process.pid}/clear_refs").write_text("5")
        together(server, EACH_MIB)
        grown = (kib(server, "VmHWM") - before) / 1024
    assert grown < MAY_GROW_MIB, f"{grown:.1f} MiB"
    assert "Traceback" not in server.output
    print(f"{storage}: {grown:.1f} MiB")
