"""The small things that people count on, each over a socket with a whole server behind it."""

from __future__ import annotations

import base64
import imaplib
import re
import socket
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from email import message_from_bytes
from email.message import Message
from pathlib import Path

import pytest
from support.servers import ANY_PORTS, PATIENCE_S, MailServer
from support.smtptalk import Talk

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

PASSWORD = "correct horse"
HASH = hash_password(PASSWORD)
IP = "127.0.0.21"
BOOK = "xn--bcher-kva.example"
CONFIG = f"""
hostname = "mail.one.example"
data = "data"
domains = ["one.example", "bücher.example"]
[listeners.smtp]
role = "smtp"
endpoint = "{IP}:0"
[listeners.submission]
role = "submission"
endpoint = "{IP}:0"
[listeners.imap]
role = "imap"
endpoint = "{IP}:0"
plaintext_login = "loopback"
[smtp]
max_message_octets = 200000
[pipeline]
max_octets = 200000
[relay.routes."far.example"]
host = "{IP}"
port = 1
tls = "none"
"""
TEXT = b"Subject: small\r\n\r\nHello.\r\n"


@dataclass
class House:
    server: MailServer

    def smtp(self, hello: str | None = "EHLO client.example") -> Talk:
        return Talk(IP, self.server.ports["smtp"], hello)

    def submission(self, user: str = "alice@one.example") -> Talk:
        talk = Talk(IP, self.server.ports["submission"])
        talk.start_tls()
        talk.say("EHLO laptop.example")
        assert talk.log_in(user, PASSWORD).startswith("235")
        return talk

    def take(self, user: str) -> list[bytes]:
        """All mail in a user's INBOX, which is empty afterwards."""
        client = imaplib.IMAP4(IP, self.server.ports["imap"], timeout=PATIENCE_S)
        client.authenticate("PLAIN", lambda _: f"\0{user}\0{PASSWORD}".encode())
        client.select("INBOX")
        found = [part[1] for part in client.uid("FETCH", "1:*", "(BODY.PEEK[])")[1] if isinstance(part, tuple)]
        client.uid("STORE", "1:*", "+FLAGS", "(\\Deleted)")
        client.expunge()
        client.logout()
        return found

    def one(self, user: str) -> Message:
        [octets] = self.take(user)
        return message_from_bytes(octets)


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("small")
    (folder / "data").mkdir(mode=0o700)
    (folder / "mailframe.toml").write_text(CONFIG, encoding="utf-8")
    accounts: Path = folder / "data" / "accounts"
    for user in ("alice@one.example", "bob@one.example", f"jürgen@{BOOK}"):
        add(accounts, user, HASH)
    with ExitStack() as stack:
        server = MailServer(folder, "--config", "mailframe.toml")
        stack.callback(server.stop)
        yield House(server)
        assert "Traceback" not in server.output


def codes(talk: Talk, *lines: str) -> list[str]:
    """The code and enhanced code of each line's reply."""
    return [re.sub(r"^(\d{3})[ -](\d\.\d+\.\d+)?.*", r"\1 \2", talk.say(line).splitlines()[-1]).strip() for line in lines]


# -- commands (RFC 5321 section 4.1)


def test_helo_and_ehlo_greet_as_they_should(house: House) -> None:
    with house.smtp(None) as talk:
        assert talk.greeting == "220 mail.one.example ESMTP"
        assert talk.say("HELO client.example") == "250 mail.one.example"
        assert codes(talk, "MAIL FROM:<a@far.example>", "RCPT TO:<bob@one.example>") == ["250 2.1.0", "250 2.1.5"]
        answer = talk.say("ehlo [127.0.0.1]")
        assert answer.splitlines()[0] == "250-mail.one.example"
        words = {line[4:].split(" ")[0] for line in answer.splitlines()[1:]}
        assert words >= {"PIPELINING", "SIZE", "8BITMIME", "CHUNKING", "BINARYMIME", "SMTPUTF8", "ENHANCEDSTATUSCODES", "DSN",
                         "STARTTLS", "LIMITS", "HELP"}
        assert codes(talk, "RCPT TO:<bob@one.example>") == ["503 5.5.1"], "EHLO ended the transaction (section 4.1.4)"
        assert codes(talk, "MAIL FROM:<a@far.example>", "EHLO", "RCPT TO:<bob@one.example>") == [
            "250 2.1.0", "501 5.5.4", "250 2.1.5"], "an EHLO that cannot be read changes nothing (section 4.1.4)"


def test_what_needs_no_greeting_is_answered_before_it(house: House) -> None:
    """RFC 5321 section 4.1.4: NOOP, HELP, EXPN, VRFY and RSET at any time; a transaction only after EHLO."""
    with house.smtp(None) as talk:
        assert codes(talk, "NOOP", "NOOP with words", "HELP", "HELP MAIL", "RSET", "VRFY bob@one.example", "EXPN list") == [
            "250 2.0.0", "250 2.0.0", "214 2.0.0", "214 2.0.0", "250 2.0.0", "252 2.5.0", "252 2.5.0"]
        assert codes(talk, "MAIL FROM:<a@far.example>", "RCPT TO:<bob@one.example>", "DATA") == ["503 5.5.1"] * 3
        assert codes(talk, "VRFY", "WIZ", "quit") == ["501 5.5.4", "500 5.5.1", "221 2.0.0"]
        assert talk.reply() == ""


def test_commands_and_keywords_have_no_case(house: House) -> None:
    with house.smtp() as talk:
        assert codes(talk, "mail from:<A@Far.Example> size=10 Body=8bitMIME", "rcpt to:<BOB@ONE.EXAMPLE>", "rSeT") == [
            "250 2.1.0", "250 2.1.5", "250 2.0.0"]


@pytest.mark.parametrize(("parameters", "answer"), [
    ("X-UNKNOWN=1", "555 5.5.4"), ("SIZE=abc", "501 5.5.4"), ("SIZE=200001", "552 5.3.4"), ("SIZE=200000", "250 2.1.0"),
    ("SIZE=99999999999999999999", "552 5.3.4"), ("BODY=7BIT", "250 2.1.0"), ("BODY=BINARYMIME", "250 2.1.0"),
    ("BODY=9BIT", "501 5.5.4"),
    ("AUTH=<>", "555 5.5.4"), ("RET=FULL ENVID=x", "250 2.1.0"), ("RET=SOME", "501 5.5.4"), ("SMTPUTF8", "250 2.1.0"),
    ("SIZE=1 SIZE=1", "501 5.5.4"), ("=", "501 5.5.4"),
])
def test_parameters_of_mail(house: House, parameters: str, answer: str) -> None:
    with house.smtp() as talk:
        assert codes(talk, f"MAIL FROM:<a@far.example> {parameters}") == [answer]


@pytest.mark.parametrize(("path", "answer"), [
    ("<bob@one.example>", "250 2.1.5"), ("<@a.example,@b.example:bob@one.example>", "250 2.1.5"),
    ('<"bob"@one.example>', "250 2.1.5"),
    ('<"b\\ob"@one.example>', "250 2.1.5"), ("<bob+tag@one.example>", "250 2.1.5"), ("<bob@one.example.>", "250 2.1.5"),
    (" <bob@one.example>", "250 2.1.5"), ("<postmaster>", "250 2.1.5"), ("<PostMaster>", "250 2.1.5"),
    ("<POSTMASTER@one.example>", "250 2.1.5"), (f"<postmaster@{BOOK}>", "250 2.1.5"),
    ("<nobody@one.example>", "550 5.1.1"), ('<"bob smith"@one.example>', "550 5.1.1"), ("<x@far.example>", "550 5.7.1"),
    ("<bob@[192.0.2.1]>", "550 5.7.1"), ("<bob%far.example@one.example>", "550 5.1.1"),
    ("<far.example!bob@one.example>", "550 5.1.1"),
    ("<bob>", "501 5.1.3"), ("bob@one.example", "501 5.1.3"), ("<bob@one..example>", "501 5.1.3"), ("<>", "501 5.1.3"),
    ("<bob@one.example> NOTIFY=NEVER", "250 2.1.5"), ("<bob@one.example> NOTIFY=OFTEN", "501 5.5.4"),
    ("<bob@one.example> SIZE=1", "555 5.5.4"), ("<bob@one.example> ORCPT=rfc822;x+40y", "250 2.1.5"),
    ("<jürgen@bücher.example>", "553 5.6.7"),
])
def test_paths_and_parameters_of_rcpt(house: House, path: str, answer: str) -> None:
    with house.smtp() as talk:
        assert codes(talk, "MAIL FROM:<>", f"RCPT TO:{path}") == ["250 2.1.0", answer]


def test_a_sender_with_a_long_name_is_a_sender(house: House) -> None:
    """RFC 5321 section 4.5.3.1 asks for as few limits as possible; mailing lists and forwarders write long return paths."""
    sender = "bounces+" + "x" * 120 + "=bob=one.example@lists.example"
    with house.smtp() as talk:
        assert talk.mail(sender, ["bob@one.example"], TEXT).startswith("250")
    assert house.one("bob@one.example")["Return-Path"] == f"<{sender}>"


def test_a_thousand_recipients_are_taken_and_one_more_is_put_off(house: House) -> None:
    """RFC 5321 section 4.5.3.1.10: 452, and the others keep their place."""
    with house.smtp() as talk:
        talk.say("MAIL FROM:<>")
        talk.send(b"".join(b"RCPT TO:<bob+%d@one.example>\r\n" % number for number in range(1001)))
        answers = [talk.reply() for _ in range(1001)]
        assert {answer[:9] for answer in answers[:1000]} == {"250 2.1.5"}
        assert answers[1000].startswith("452 4.5.3")
        assert talk.message(TEXT).startswith("250")
    assert len(house.take("bob@one.example")) == 1, "one mailbox, one copy"


def test_data_out_of_place_and_with_nobody_to_go_to(house: House) -> None:
    with house.smtp() as talk:
        assert codes(talk, "DATA", "MAIL FROM:<>", "MAIL FROM:<>", "DATA", "RCPT TO:<nobody@one.example>", "DATA", "DATA now") == [
            "503 5.5.1", "250 2.1.0", "503 5.5.1", "503 5.5.1", "550 5.1.1", "503 5.5.1", "503 5.5.1"]


def test_a_message_too_big_is_refused_and_the_connection_lives_on(house: House) -> None:
    with house.smtp() as talk:
        assert talk.mail("", ["bob@one.example"], b"x" * 70 + b"\r\n" + b"y" * 200_000 + b"\r\n").startswith("552 5.3.4")
        assert talk.mail("", ["bob@one.example"], TEXT).startswith("250 2.0.0")
    assert len(house.take("bob@one.example")) == 1


def test_a_client_with_a_strange_name_is_served(house: House) -> None:
    """RFC 5321 section 4.1.4: no refusal for a name alone; Windows machines have names in any script and with spaces."""
    with house.smtp(None) as talk:
        assert codes(talk, "EHLO jürgens-pc", "EHLO (strange)<name>", "HELO laptop of mine") == ["250"] * 3
        assert codes(talk, "EHLO", "EHLO " + "x" * 300) == ["501 5.5.4"] * 2
        talk.say("EHLO jürgens-pc")
        assert talk.mail("", ["bob@one.example"], TEXT).startswith("250")
    assert house.one("bob@one.example")["Received"].startswith("from [127.0.0.")


def test_who_guesses_names_is_sent_away(house: House) -> None:
    with house.smtp() as talk:
        talk.say("MAIL FROM:<>")
        talk.send(b"".join(b"RCPT TO:<guess%d@one.example>\r\n" % number for number in range(200)))
        answers = []
        while answer := talk.reply():
            answers.append(answer)
    assert {answer[:9] for answer in answers[:-1]} == {"550 5.1.1"} and len(answers) == 101
    assert answers[-1].startswith("421 4.7.0")


def test_help_tells_only_what_can_be_done_here_and_now(house: House) -> None:
    with house.smtp() as talk:
        said = talk.say("HELP")
        assert "STARTTLS" in said and "AUTH" not in said
        talk.start_tls()
        talk.say("EHLO x")
        assert "STARTTLS" not in talk.say("HELP")
    with Talk(IP, house.server.ports["submission"]) as talk:
        assert codes(talk, "VRFY alice@one.example") == ["530 5.7.0"]


# -- what arrives


def test_octets_arrive_as_they_were_sent(house: House) -> None:
    body = b"".join(bytes([octet]) for octet in range(1, 256) if octet not in b"\r\n") + b"\r\n.\r\n..\r\n.x\r\n\r\n"
    with house.smtp() as talk:
        assert talk.mail("a@far.example", ["bob@one.example"], b"Subject: 8bit\r\n\r\n" + body, " BODY=8BITMIME").startswith("250")
    [octets] = house.take("bob@one.example")
    assert octets.endswith(b"\r\n\r\n" + body)


def test_the_trace_stands_in_front_once(house: House) -> None:
    """RFC 5321 section 4.4: one Return-Path, whatever was in the message; our Received above the older ones."""
    older = (b"Return-Path: <liar@far.example>\r\nReceived: from x by y; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
             b"return-path:\r\n <again@far.example>\r\n")
    with house.smtp() as talk:
        talk.start_tls()
        talk.say("EHLO mx.far.example")
        queued = talk.mail("a@far.example", ["bob@one.example"], older + TEXT)
    message = house.one("bob@one.example")
    assert message.keys() == ["Return-Path", "Received", "Received", "Subject"]
    assert message["Return-Path"] == "<a@far.example>"
    ours, theirs = message.get_all("Received", [])
    assert theirs.startswith("from x by y")
    shape = (r"from mx\.far\.example \(\[127\.0\.0\.\d+\]\)\s+by mail\.one\.example with ESMTPS \(TLSv1\.3 \w+\)\s+"
             r"id (\w+)\s+for <bob@one\.example>\s+tls TLS_\w+;\s+\w{3}, \d+ \w{3} \d{4} \d\d:\d\d:\d\d [+-]\d{4}")
    match = re.fullmatch(shape, ours)
    assert match, ours
    assert queued == f"250 2.0.0 Ok: queued as {match[1]}"
    assert message.get_payload() == "Hello.\r\n"


def test_mail_from_others_is_not_touched(house: House) -> None:
    """RFC 5321 section 6.4: Date and Message-ID are added for our own users alone."""
    with house.smtp() as talk:
        talk.mail("a@far.example", ["bob@one.example"], b"\r\nno header at all\r\n")
    message = house.one("bob@one.example")
    assert message.keys() == ["Return-Path", "Received"] and message.get_payload() == "no header at all\r\n"
    with house.submission() as talk:
        talk.mail("alice@one.example", ["bob@one.example"], TEXT)
        talk.mail("alice@one.example", ["bob@one.example"], b"Date: x\r\nMessage-ID: <y@z>\r\n\r\n")
    first, second = map(message_from_bytes, house.take("bob@one.example"))
    assert re.fullmatch(r"<\S+@mail\.one\.example>", first["Message-ID"]) and first["Date"]
    assert "with ESMTPSA" in first["Received"]
    assert second.get_all("Date") == ["x"] and second.get_all("Message-ID") == ["<y@z>"]


def test_a_loop_ends_and_a_long_way_does_not(house: House) -> None:
    """RFC 5321 section 6.3: the threshold is normally at least 100."""
    hop = b"Received: by somebody; Mon, 1 Jan 2024 00:00:00 +0000\r\n"
    with house.smtp() as talk:
        assert talk.mail("a@far.example", ["bob@one.example"], hop * 99 + TEXT).startswith("250")
        assert talk.mail("a@far.example", ["bob@one.example"], hop * 101 + TEXT).startswith("554 5.4.6")
    assert len(house.take("bob@one.example")) == 1


def test_postmaster_reads_what_is_sent_to_postmaster(house: House) -> None:
    """RFC 5321 section 4.5.1: with and without a domain, in any case; here the first account's."""
    with house.smtp() as talk:
        for name in ("postmaster", "PostMaster", "postmaster@one.example", f"POSTMASTER@{BOOK.upper()}"):
            assert talk.mail("a@far.example", [name], TEXT).startswith("250"), name
    assert len(house.take("alice@one.example")) == 4


def test_a_domain_is_the_same_as_a_label_and_as_u_label(house: House) -> None:
    with house.smtp() as talk:
        for domain in ("bücher.example", "BÜCHER.example", BOOK, BOOK.upper()):
            assert talk.mail("jürg@bücher.example", [f"jürgen@{domain}"], TEXT, " SMTPUTF8").startswith("250"), domain
        assert codes(talk, "MAIL FROM:<> SMTPUTF8", "RCPT TO:<nobody@bücher.example>", "RCPT TO:<x@fär.example>") == [
            "250 2.1.0", "550 5.1.1", "550 5.7.1"]
    found = house.take(f"jürgen@{BOOK}")
    assert len(found) == 4
    assert f"Return-Path: <jürg@{BOOK}>\r\n".encode() in found[0] and b"with UTF8SMTP\r\n" in found[0]


def test_a_subaddress_is_its_owners(house: House) -> None:
    with house.smtp() as talk:
        talk.mail("a@far.example", ["bob+shop@one.example", "Bob+Bank@One.Example"], TEXT)
    assert len(house.take("bob@one.example")) == 1


def test_nothing_said_inside_a_message_becomes_a_command(house: House) -> None:
    """I5: a bare LF neither ends the data nor gets in."""
    with house.smtp() as talk:
        answer = talk.mail("a@far.example", ["bob@one.example"], b"Subject: x\r\n\r\nA\n.\nMAIL FROM:<evil@far.example>\r\n")
        assert answer.startswith("550 5.6.11")
        assert codes(talk, "NOOP") == ["250 2.0.0"]
    assert house.take("bob@one.example") == []


# -- who may send


def test_strangers_hand_nothing_on_and_users_only_as_themselves(house: House) -> None:
    with house.smtp() as talk:
        assert codes(talk, "AUTH PLAIN AGEAYg==", "MAIL FROM:<alice@one.example>", "RCPT TO:<x@far.example>") == [
            "502 5.5.1", "250 2.1.0", "550 5.7.1"]
    with Talk(IP, house.server.ports["submission"]) as talk:
        assert "AUTH" not in talk.hello
        assert codes(talk, "MAIL FROM:<alice@one.example>", "AUTH PLAIN AGEAYg==", "AUTH LOGIN") == [
            "530 5.7.0", "538 5.7.11", "538 5.7.11"]
    with house.submission() as talk:
        assert codes(talk, "AUTH PLAIN AGEAYg==", "MAIL FROM:<bob@one.example>", "MAIL FROM:<x@far.example>", "MAIL FROM:<>") == [
            "503 5.5.1", "550 5.7.1", "550 5.7.1", "250 2.1.0"]
        assert codes(talk, "RSET", "MAIL FROM:<Alice+x@One.Example> AUTH=<>", "RCPT TO:<bob>", "RCPT TO:<x@far.example>") == [
            "250 2.0.0", "250 2.1.0", "501 5.1.3", "250 2.1.5"]


def test_login_as_mail_programs_do_it(house: House) -> None:
    """RFC 4954; LOGIN as Outlook speaks it, with and without the name beside the command."""
    name, word = (base64.b64encode(text).decode() for text in (b"alice@one.example", PASSWORD.encode()))
    plain = base64.b64encode(f"\0alice@one.example\0{PASSWORD}".encode()).decode()
    for lines, answers in (
        (("AUTH LOGIN", name, word), ["334", "334", "235 2.7.0"]),
        (("auth login " + name, word), ["334", "235 2.7.0"]),
        (("AUTH PLAIN", plain), ["334", "235 2.7.0"]),
        (("AUTH PLAIN " + plain, "EHLO again", "MAIL FROM:<alice@one.example>"), ["235 2.7.0", "250", "250 2.1.0"]),
        (("AUTH LOGIN", "*", "AUTH PLAIN =", "AUTH", "AUTH CRAM-MD5", "AUTH PLAIN !!"), [
            "334", "501 5.7.0", "501 5.5.2", "501 5.5.4", "504 5.5.4", "501 5.5.2"]),
        (("MAIL FROM:<alice@one.example>", "RSET", "AUTH LOGIN", name, base64.b64encode(b"wrong").decode()), [
            "530 5.7.0", "250 2.0.0", "334", "334", "535 5.7.8"]),
    ):
        with Talk(IP, house.server.ports["submission"]) as talk:
            talk.start_tls()
            assert "AUTH PLAIN LOGIN" in talk.say("EHLO laptop.example")
            found = [re.sub(r" [^\d].*", "", answer) for answer in codes(talk, *lines)]
            assert found == answers, lines


def test_a_guesser_is_shut_out_of_all_protocols_and_nobody_else_is(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o700)
    (tmp_path / "mailframe.toml").write_text(CONFIG + """
[listeners.pop3]
role = "pop3"
endpoint = "127.0.0.21:0"
plaintext_login = "loopback"
[login]
max_loopback_failures = 2
[submission]
auth_failure_delay_s = 0.0
[imap]
login_failure_delay_s = 0.0
[pop3]
auth_failure_delay_s = 0.0
""", encoding="utf-8")
    add(tmp_path / "data" / "accounts", "alice@one.example", HASH)
    server = MailServer(tmp_path, "--config", "mailframe.toml")

    def log_in(source: str, *passwords: str) -> list[str]:
        with Talk(IP, server.ports["submission"], source=source) as talk:
            talk.start_tls()
            talk.say("EHLO laptop.example")
            return [talk.log_in("alice@one.example", word)[:9] for word in passwords]

    try:
        assert log_in("127.0.0.51", "one", "two", PASSWORD) == ["535 5.7.8", "535 5.7.8", "454 4.7.0"]
        commands = {"imap": f'a LOGIN alice@one.example "{PASSWORD}"', "pop3": f"USER alice@one.example\r\nPASS {PASSWORD}"}
        answers = {"127.0.0.51": ("a NO [UNAVAILABLE]", "-ERR [SYS/TEMP]"), "127.0.0.52": ("a OK", "+OK Maildrop")}
        for protocol, line in commands.items():
            for source, answer in answers.items():
                with socket.create_connection((IP, server.ports[protocol]), PATIENCE_S, (source, 0)) as client:
                    client.sendall(line.encode() + b"\r\n")
                    lines = client.makefile("r")
                    assert any(said.startswith(answer) for said in lines), (protocol, source)
        assert log_in("127.0.0.52", PASSWORD) == ["235 2.7.0"]
    finally:
        server.stop()


def test_starttls_forgets_and_is_not_offered_twice(house: House) -> None:
    """RFC 3207 section 4.2, and nothing may follow it in the clear (I5)."""
    with house.smtp() as talk:
        talk.say("MAIL FROM:<a@far.example>")
        assert codes(talk, "STARTTLS", "RSET", "STARTTLS now") == ["503 5.5.1", "250 2.0.0", "501 5.5.4"]
        talk.start_tls()
        assert codes(talk, "MAIL FROM:<a@far.example>") == ["503 5.5.1"]
        assert "STARTTLS" not in talk.say("EHLO client.example")
        assert codes(talk, "STARTTLS") == ["503 5.5.1"]
    with house.smtp() as talk:
        talk.send(b"STARTTLS\r\nNOOP\r\n")
        assert talk.reply().startswith("421 4.7.0") and talk.reply() == ""


# -- the log


def test_one_id_runs_from_mail_to_the_next_hops_answer(house: House) -> None:
    with house.submission() as talk:
        answer = talk.mail("alice@one.example", ["bob@one.example", "x@far.example"], TEXT)
    number = answer.rpartition(" ")[2]
    house.server.wait_for(rf"accepted id={number} from=<alice@one.example> to=<bob@one.example>,<x@far.example> failed=0")
    house.server.wait_for(rf"{number} .*x@far\.example.* deferred")
    house.take("bob@one.example")


def test_a_server_that_stops_says_so_to_who_waits_in_a_transaction(tmp_path: Path) -> None:
    """RFC 5321 section 3.8: another server that keeps its connection, with a transaction that came to nothing, holds nobody up."""
    server = MailServer(tmp_path, *ANY_PORTS)
    talk = Talk("127.0.0.1", server.ports["smtp"])
    assert codes(talk, "MAIL FROM:<a@far.example>", "RCPT TO:<>") == ["250 2.1.0", "501 5.1.3"]
    server.process.terminate()
    assert talk.reply().startswith("421 4.3.2")
    talk.close()
    assert server.stop() == 0


def test_a_closed_connection_delivers_nothing(house: House) -> None:
    talk = house.smtp()
    talk.say("MAIL FROM:<a@far.example>")
    talk.say("RCPT TO:<bob@one.example>")
    talk.say("DATA")
    talk.send(TEXT)
    talk.socket.shutdown(socket.SHUT_WR)
    assert talk.reply() == ""
    talk.close()
    assert house.take("bob@one.example") == []
