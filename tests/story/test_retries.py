"""Mail that does not get through at once, in real time with small delays: retries, reports, smarthosts, other people's servers."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack
from email import message_from_bytes
from email.message import Message
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from support import stories
from support.certificates import pem_pair
from support.servers import MailServer, common_port, listeners, until
from support.smtptalk import Talk

from mailframe.app.command import main as mailframe_command
from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ONE, FAR, DEAD, TWO = "127.0.0.31", "127.0.0.32", "127.0.0.33", "127.0.0.34"
PASSWORD = "correct horse"
HASH = hash_password(PASSWORD)
TEXT = b"Subject: retry\r\nMessage-ID: <retry@one.example>\r\n\r\nHello.\r\n.dot\r\n"
CONFIG = """
hostname = "mail.{domain}"
data = "data"
domains = ["{domain}"]
""" + listeners("smtp", "submission", "imap", host="{ip}", smtp_port="{port}") + """
[queue]
first_delay_s = 0.2
factor = 1.0
jitter = 0.0
{queue}
[relay]
port = {port}
nameservers = ["127.0.0.1:{dns}"]
connect_timeout_s = 5.0
{relay}
"""


class FarHandler:
    """Another's server: `greylist` recipients are put off once each, `refuse` others for good."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.envelopes: list[Any] = []
        self.greylist = False
        self.times: list[float] = []

    async def handle_RCPT(self, server: Any, session: Any, envelope: Any, address: str, options: list[str]) -> str:
        if self.greylist and address not in self.seen:
            self.seen.append(address)
            return "451 4.7.1 Greylisted, come again"
        if address.startswith("nobody"):
            return "550 5.1.1 Who is that?"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 fine"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        self.envelopes.append(envelope)
        self.times.append(time.time())
        return "250 2.0.0 taken by a stranger"


class World:
    """Server one, a DNS server, and far.example with a dead first MX host and a living second one."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        self.folder, self.stack = folder, stack
        self.port = common_port(ONE, FAR, DEAD, TWO)
        self.far = FarHandler()
        records = {
            "far.example": {"MX": ["10 dead.far.example.", "20 mx.far.example."]},
            "plain.example": {"MX": ["10 mx.far.example."]},
            "dead.far.example": {"A": [DEAD]}, "mx.far.example": {"A": [FAR]},
            "loop.example": {"MX": ["10 back.loop.example."]}, "back.loop.example": {"A": [ONE]},
            "one.example": {"MX": ["10 mail.one.example."]}, "mail.one.example": {"A": [ONE]},
            "two.example": {"MX": ["10 mail.two.example."]},
            "null.example": {"MX": ["0 ."]}, "mail.two.example": {"A": [TWO]},
        }
        self.dns = stories.names(stack, folder, records)

    def start(
        self, *, domain: str = "one.example", ip: str = ONE, user: str = "alice", queue: str = "", relay: str = "",
    ) -> MailServer:
        folder = self.folder / domain
        (folder / "data").mkdir(parents=True, mode=0o700)
        (folder / "mailframe.toml").write_text(CONFIG.format(
            domain=domain, ip=ip, port=self.port, dns=self.dns, queue=queue, relay=relay))
        add(folder / "data" / "accounts", f"{user}@{domain}", HASH)
        server = MailServer(folder, "--config", "mailframe.toml")
        self.stack.callback(server.stop)
        return server

    def open_far(self) -> None:
        controller = Controller(self.far, hostname=FAR, port=self.port, server_hostname="mx.far.example")
        controller.start()
        self.stack.callback(controller.stop)

    def queue(self, *words: str) -> None:
        """The `mailframe queue` command."""
        place = ["--config", str(self.folder / "one.example" / "mailframe.toml")]
        assert mailframe_command(["queue", words[0], *place, *words[1:]]) in (0, None)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with ExitStack() as stack:
        yield World(tmp_path, stack)


def submit(server: MailServer, *to: str, mail: str = "", rcpt: str = "", ip: str = ONE) -> str:
    """Hand TEXT in; returns the id under which it was taken."""
    with Talk(ip, server.ports["submission"]) as talk:
        assert talk.log_in("alice@one.example", PASSWORD).startswith("235")
        assert talk.say(f"MAIL FROM:<alice@one.example>{mail}").startswith("250")
        for one in to:
            assert talk.say(f"RCPT TO:<{one}>{rcpt}").startswith("250")
        answer = talk.message(TEXT)
    assert answer.startswith("250"), answer
    return answer.rpartition(" ")[2]


def inbox(server: MailServer, ip: str = ONE, user: str = "alice@one.example", count: int = 1) -> list[Message]:
    """The INBOX once it holds `count` messages."""
    return [message_from_bytes(octets) for octets in stories.inbox(ip, server.ports["imap"], user, PASSWORD, count)]


def report(message: Message) -> Message:
    """The first recipient's fields of a delivery status notification."""
    assert message.get_content_type() == "multipart/report" and message["Return-Path"] == "<>"
    status = message.get_payload(1)
    assert isinstance(status, Message)
    found = status.get_payload(1)
    assert isinstance(found, Message)
    return found


def test_a_host_that_is_down_then_greylists_gets_its_mail_in_the_end(world: World) -> None:
    """With the first MX host dead all the time, and a server of other people's make at the second."""
    one = world.start()
    number = submit(one, "bob@far.example")
    one.wait_for(rf"{number} .* deferred: .*no connection to {FAR}")
    world.far.greylist = True
    world.open_far()
    one.wait_for(rf"{number} .* deferred: .*451 4\.7\.1 Greylisted")
    one.wait_for(rf"{number} handed to mx\.far\.example\[{FAR}\].*1 of 1.*taken by a stranger")
    [envelope] = world.far.envelopes
    assert (envelope.mail_from, envelope.rcpt_tos) == ("alice@one.example", ["bob@far.example"])
    assert envelope.content.startswith(b"Received: ") and envelope.content.endswith(TEXT)
    assert b"Return-Path" not in envelope.content


def test_mail_that_nobody_takes_is_returned_when_its_time_is_over(world: World) -> None:
    one = world.start(queue="give_up_after_s = 0.5")
    submit(one, "bob@far.example")
    fields = report(inbox(one)[0])
    assert (fields["Action"], fields["Status"], fields["Final-Recipient"]) == ("failed", "5.4.7", "rfc822; bob@far.example")


def test_a_sender_is_told_once_that_mail_is_late(world: World) -> None:
    one = world.start(queue="warn_after_s = 0.3")
    number = submit(one, "bob@far.example", mail=" ENVID=my-id")
    [warning] = inbox(one)
    fields = report(warning)
    assert (fields["Action"], fields["Status"]) == ("delayed", "4.4.1") and fields["Will-Retry-Until"]
    assert "Original-Envelope-Id: my-id" in str(warning)
    world.open_far()
    one.wait_for(rf"{number} handed to mx\.far\.example.*1 of 1")
    assert len(inbox(one)) == 1, "one warning, and no word of the success that nobody asked for"


def test_reports_that_were_asked_for(world: World) -> None:
    """RFC 3461 section 5.2.3: a next hop without DSN reports no success, so we say that it was relayed; 5.2.2: refused."""
    world.open_far()
    one = world.start()
    submit(one, "bob@far.example", rcpt=" NOTIFY=SUCCESS ORCPT=rfc822;Bob@far.example")
    fields = report(inbox(one)[0])
    assert (fields["Action"], fields["Original-Recipient"]) == ("relayed", "rfc822;Bob@far.example")
    submit(one, "nobody@far.example", rcpt=" NOTIFY=NEVER")
    submit(one, "nobody@far.example", "bob@far.example", "x@null.example", "y@loop.example")
    found = inbox(one, count=2)
    assert len(found) == 2
    status = str(found[1].get_payload(1))
    for address, code in (("nobody@far.example", "5.1.1"), ("x@null.example", "5.1.10"), ("y@loop.example", "5.4.6")):
        assert f"Final-Recipient: rfc822; {address}\nAction: failed\nStatus: {code}" in status
    assert "bob@far.example" not in status and "Who is that?" in status
    until(lambda: len(world.far.envelopes) == 2, "the second message")


def test_a_next_hop_with_dsn_reports_the_delivery_itself(world: World) -> None:
    """RFC 3461 section 5.2.2: one report, and it is theirs."""
    world.start(domain="two.example", ip=TWO, user="bob")
    one = world.start()
    submit(one, "bob@two.example", mail=" RET=HDRS ENVID=our+2Bid", rcpt=" NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;bob@two.example")
    [message] = inbox(one)
    fields = report(message)
    assert (fields["Action"], fields["Original-Recipient"]) == ("delivered", "rfc822;bob@two.example")
    text = str(message.get_payload(1))
    assert "Reporting-MTA: dns; mail.two.example" in text and "Original-Envelope-Id: our+id" in text
    submit(one, "alice@one.example")
    assert len(inbox(one, count=2)) == 2


def test_a_smarthost_with_a_verified_certificate_and_a_login(world: World) -> None:
    """Another mailframe's submission port: STARTTLS, its certificate believed through a CA file, AUTH PLAIN."""
    certificate, key = pem_pair("mail.two.example")
    (world.folder / "root.pem").write_bytes(certificate)
    (world.folder / "key.pem").write_bytes(key)
    settings = (f'[tls]\ncertificate = "{world.folder}/root.pem"\nkey = "{world.folder}/key.pem"\n'
                f'[pipeline.submission.allow_from]\n"carol@two.example" = ["*@one.example"]')
    two = world.start(domain="two.example", ip=TWO, user="carol", relay=settings)
    smarthost = (f'[relay.smarthost]\nhost = "mail.two.example"\nport = {two.ports["submission"]}\ntls = "starttls"\n'
                 f'user = "carol@two.example"\npassword = "{PASSWORD}"\nca_file = "../root.pem"')
    one = world.start(relay=smarthost)
    with Talk(ONE, one.ports["submission"]) as talk:
        talk.log_in("alice@one.example", PASSWORD)
        talk.mail("alice@one.example", ["carol@two.example"], TEXT)      # two lets carol's login send for one.example
    [message] = inbox(two, TWO, "carol@two.example")
    assert "with ESMTPSA (TLSv1.3" in message.get_all("Received", [])[0]
    one.wait_for(r"handed to mail\.two\.example\[127\.0\.0\.34\].* \(TLSv1\.3 .*1 of 1")


def test_a_smarthost_without_the_right_certificate_gets_neither_mail_nor_password(world: World) -> None:
    two = world.start(domain="two.example", ip=TWO, user="carol")
    smarthost = (f'[relay.smarthost]\nhost = "mail.two.example"\nport = {two.ports["submission"]}\n'
                 f'user = "carol@two.example"\npassword = "{PASSWORD}"')
    one = world.start(relay=smarthost)
    number = submit(one, "carol@two.example")
    one.wait_for(rf"{number} .* deferred: .*TLS failed")
    assert "accepted" not in two.output


def test_the_queue_in_an_operators_hands(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """list, hold, release, remove and retry, while the server runs and tries."""
    one = world.start(queue="")
    first, second = submit(one, "bob@far.example"), submit(one, "eve@far.example")
    one.wait_for(rf"{second} .* deferred")
    world.queue("list")
    listing = capsys.readouterr().out
    assert "alice@one.example -> bob@far.example" in listing and "no connection" in listing
    world.queue("hold", "1")
    world.queue("remove", "2")
    world.queue("list")
    listing = capsys.readouterr().out
    assert "on hold" in listing and "eve" not in listing
    world.open_far()
    third = submit(one, "joe@far.example")
    one.wait_for(rf"{third} handed to .*1 of 1")
    assert [envelope.rcpt_tos for envelope in world.far.envelopes] == [["joe@far.example"]]
    world.queue("release", "1")
    one.wait_for(rf"{first} handed to .*1 of 1")
    until(lambda: "Nothing waits" in (world.queue("list"), capsys.readouterr().out)[1], "an empty queue")
    assert [envelope.rcpt_tos for envelope in world.far.envelopes] == [["joe@far.example"], ["bob@far.example"]]


def test_a_held_message_survives_a_kill_and_leaves_at_its_time(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    """RFC 4865, with I1: for another server and for an own mailbox."""
    world.open_far()
    one = world.start()
    begun = time.time()
    number = submit(one, "bob@far.example", "alice@one.example", mail=" HOLDFOR=3")
    world.queue("list")
    assert "not to leave before" in capsys.readouterr().out
    one.kill()
    assert not world.far.envelopes
    again = MailServer(world.folder / "one.example", "--config", "mailframe.toml")
    world.stack.callback(again.stop)
    again.wait_for(rf"{number} handed to mx\.far\.example.*1 of 1")
    [message] = inbox(again)
    assert message["Subject"] == "retry" and world.far.times[0] >= begun + 3


def test_a_deadline_is_passed_on_or_the_mail_comes_back(world: World) -> None:
    """RFC 2852 section 4.1.4: one hop keeps the time and is traced, the other does not and may not have by-mode R."""
    world.start(domain="two.example", ip=TWO, user="bob")
    world.open_far()
    one = world.start()
    submit(one, "bob@two.example", mail=" BY=120;RT")
    fields = report(inbox(one)[0])
    assert (fields["Action"], fields["Status"], fields["Final-Recipient"]) == ("relayed", "2.0.0", "rfc822; bob@two.example")
    submit(one, "bob@plain.example", mail=" BY=120;R")
    message = inbox(one, count=2)[1]
    fields = report(message)
    assert (fields["Action"], fields["Status"]) == ("failed", "5.3.3") and "Deliver-By-Date: " in str(message)
    assert not world.far.envelopes
    submit(one, "bob@far.example", mail=" BY=120;N MT-PRIORITY=4")
    fields = report(inbox(one, count=3)[2])
    assert (fields["Action"], fields["Status"]) == ("relayed", "2.1.9")
    assert b"\tPRIORITY 4;" in world.far.envelopes[0].content
