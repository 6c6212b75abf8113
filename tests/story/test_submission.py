"""Our users' mail from real programs through a whole server: Bcc, own addresses, Sent, limits that outlive a restart."""

from __future__ import annotations

import imaplib
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from support.servers import PATIENCE_S, MailServer
from support.smtptalk import Talk

from mailframe.app.command import main
from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

PASSWORD = "correct horse"
HASH = hash_password(PASSWORD)
IP = "127.0.0.27"
CONFIG = f"""
hostname = "mail.one.example"
data = "data"
domains = ["one.example"]
[listeners.submission]
role = "submission"
endpoint = "{IP}:0"
plaintext_login = "loopback"
[listeners.imap]
role = "imap"
endpoint = "{IP}:0"
plaintext_login = "loopback"
[pipeline.submission]
save_sent = ["alice@one.example"]
[pipeline.submission.allow_from]
"bob@one.example" = ["*@lists.one.example"]
[pipeline.submission.rates]
messages_per_day = 3
on_loopback = true
unlimited = ["alice@one.example", "bob@one.example"]
"""


class House:
    """A server that can be started again."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "data").mkdir(mode=0o700)
        (folder / "mailframe.toml").write_text(CONFIG)
        for user in ("alice", "bob", "carol"):
            add(folder / "data" / "accounts", f"{user}@one.example", HASH)
        self.server = MailServer(folder, "--config", "mailframe.toml")

    def again(self) -> None:
        self.server.stop()
        self.server = MailServer(self.folder, "--config", "mailframe.toml")

    def talk(self, user: str) -> Talk:
        talk = Talk(IP, self.server.ports["submission"])
        assert talk.log_in(f"{user}@one.example", PASSWORD).startswith("235")
        return talk

    def take(self, user: str, folder: str = "INBOX") -> list[tuple[bytes, Message]]:
        """All messages of a mailbox with their flags, which is empty afterwards."""
        client = imaplib.IMAP4(IP, self.server.ports["imap"], timeout=PATIENCE_S)
        client.login(f"{user}@one.example", PASSWORD)
        client.select(folder)
        found = [(part[0], message_from_bytes(part[1])) for part in client.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])")[1]
                 if isinstance(part, tuple)]
        client.uid("STORE", "1:*", "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.logout()
        return found


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with ExitStack() as stack:
        house = House(tmp_path_factory.mktemp("submission"))
        stack.callback(lambda: house.server.stop())
        yield house
        assert "Traceback" not in house.server.output


@pytest.mark.skipif(shutil.which("msmtp") is None, reason="needs msmtp")
def test_msmtp_sends_to_bcc_and_nobody_sees_it_but_the_sender(house: House) -> None:
    """`--read-recipients --keepbcc`: the program leaves Bcc in, with a header that lacks half of what it should have."""
    (config := house.folder / "msmtprc").write_text(
        f"account default\nhost {IP}\nport {house.server.ports['submission']}\nauth plain\nuser alice@one.example\n"
        f"password {PASSWORD}\nfrom alice@one.example\ntls off\nset_from_header off\nset_date_header off\n")
    config.chmod(0o600)
    text = b"To: bob@one.example\nSubject: secret\nBcc:\n\tcarol@one.example\nX-Bcc: 1\n\nBcc: in the text\n"
    subprocess.run(
        ["msmtp", "-C", str(config), "--keepbcc", "--read-recipients"], input=text, check=True, timeout=PATIENCE_S)
    for user in ("bob", "carol"):
        [(_, message)] = house.take(user)
        assert message["Bcc"] is None and message["X-Bcc"] == "1" and "Bcc: in the text" in message.get_payload()
        assert message["From"] == "alice@one.example" and message["Date"] and message["Message-ID"]
        assert message["Return-Path"] == "<alice@one.example>" and "for <" not in message["Received"]
    [(flags, copy)] = house.take("alice", "Sent")
    assert copy["Bcc"].strip() == "carol@one.example" and copy["Received"] is None and b"\\Seen" in flags
    assert (copy["Message-ID"], copy["From"]) == (message["Message-ID"], "alice@one.example")


def test_no_bcc_gets_out_by_chunks_either(house: House) -> None:
    """RFC 3030: the field is cut in two by the border of chunks."""
    with house.talk("bob") as talk:
        talk.say("MAIL FROM:<bob@one.example>")
        talk.say("RCPT TO:<carol@one.example>")
        for chunk, last in ((b"Subject: x\r\nB", ""), (b"cc: secret@one.ex", ""), (b"ample\r\nX: 1\r\n\r\nBcc: text\r\n", " LAST")):
            talk.send(f"BDAT {len(chunk)}{last}\r\n".encode() + chunk)
            assert talk.reply().startswith("250")
    [(_, message)] = house.take("carol")
    assert message["Bcc"] is None and message["X"] == "1" and message.get_payload() == "Bcc: text\r\n"


@pytest.mark.skipif(shutil.which("swaks") is None, reason="needs swaks")
def test_swaks_may_send_as_it_is_allowed_and_learns_what_to_do(house: House) -> None:
    def swaks(header_from: str) -> tuple[int, str]:
        done = subprocess.run(
            ["swaks", "--server", f"{IP}:{house.server.ports['submission']}", "--auth", "PLAIN", "--auth-user", "bob@one.example",
             "--auth-password", PASSWORD, "--from", "bob@one.example", "--to", "carol@one.example",
             "--header", f"From: {header_from}"],
            capture_output=True, text=True, timeout=PATIENCE_S, check=False)
        return done.returncode, done.stdout

    assert swaks("dogs@lists.one.example")[0] == 0           # the configuration
    code, said = swaks("sales@one.example")
    assert code and "550 5.7.1 bob@one.example may not send as sales@one.example (From): choose one of your own addresses" in said
    place = ["--config", str(house.folder / "mailframe.toml")]
    assert main(["user", "allow-from", *place, "bob@one.example", "sales@one.example"]) == 0
    with house.talk("bob"):                                  # a login looks at the file
        assert swaks("sales@one.example")[0] == 0
    assert [message["From"] for _, message in house.take("carol")] == ["dogs@lists.one.example", "sales@one.example"]
    assert house.take("bob", "Sent") == []                   # only alice wants copies


def test_limits_outlive_a_restart(house: House) -> None:
    with house.talk("carol") as talk:
        for _ in range(2):
            assert talk.mail("carol@one.example", ["bob@one.example"], b"Subject: x\r\n\r\n").startswith("250")
    house.again()
    with house.talk("carol") as talk:
        assert talk.mail("carol@one.example", ["bob@one.example"], b"Subject: x\r\n\r\n").startswith("250")
        answer = talk.say("MAIL FROM:<carol@one.example>")
        assert answer.startswith("450 4.7.1 carol@one.example has sent 3 messages in the last day, which is its limit; try again")
    assert "a stolen password sends like this" in house.server.output
    with house.talk("bob") as talk:
        assert talk.say("MAIL FROM:<bob@one.example>").startswith("250")
    assert len(house.take("bob")) == 3
