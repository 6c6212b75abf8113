"""Mail to Postfix and back: alice's message goes to a Postfix of another domain, whose alias sends it home again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from support import postfix as debian
from support.servers import Child, MailServer, common_port, listeners
from support.smtptalk import Talk

from mailframe.auth.accountedit import add
from mailframe.auth.hashing import hash_password

ONE, FAR, SEVEN = "127.0.0.41", "127.0.0.42", "127.0.0.43"
PASSWORD = "correct horse"
pytestmark = pytest.mark.skipif(not debian.USABLE, reason=debian.UNUSABLE)

SETTINGS = """
virtual_mailbox_domains = far.example seven.example
virtual_mailbox_maps = inline:{{ {{ bob@far.example = bob/ }} {{ bob@seven.example = seven/ }} }}
virtual_alias_maps = inline:{{ {{ back@far.example = alice@one.example }} {{ ghost@far.example = nobody@one.example }} }}
transport_maps = inline:{{ {{ one.example = smtp:[{one}]:{port} }} }}
smtp_tls_security_level = encrypt
"""
CONFIG = """
hostname = "mail.one.example"
data = "data"
domains = ["one.example"]
""" + listeners("smtp", "submission", host="{one}", smtp_port="{port}") + """
[relay]
port = {port}
[relay.routes."far.example"]
host = "{far}"
port = {port}
tls = "opportunistic"
[relay.routes."seven.example"]
host = "{seven}"
port = {port}
tls = "opportunistic"
"""
TEXT = "Subject: Grüße\r\nMessage-ID: <postfix@one.example>\r\n\r\nZwölf Boxkämpfer.\r\n.dot\r\n".encode()


@pytest.fixture(scope="module")
def port() -> int:
    return common_port(ONE, FAR, SEVEN)


@pytest.fixture(scope="module")
def postfix(port: int) -> Iterator[Child]:
    listens = {f"{FAR}:{port}": "", f"{SEVEN}:{port}": "-o smtpd_discard_ehlo_keywords=8bitmime,smtputf8"}
    with TemporaryDirectory(prefix="mailframe-postfix-", dir="/tmp", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o755)         # Postfix's own user must get in
        with debian.postfix(Path(name), "mx.far.example", listens, SETTINGS.format(one=ONE, port=port)) as child:
            yield child


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory, port: int) -> Iterator[MailServer]:
    folder = tmp_path_factory.mktemp("one")
    (folder / "data").mkdir(mode=0o700)
    (folder / "mailframe.toml").write_text(CONFIG.format(one=ONE, far=FAR, seven=SEVEN, port=port))
    add(folder / "data" / "accounts", "alice@one.example", hash_password(PASSWORD))
    server = MailServer(folder, "--config", "mailframe.toml")
    yield server
    server.stop()


def test_postfix_takes_our_mail_and_we_take_its(one: MailServer, postfix: Child) -> None:
    with Talk(ONE, one.ports["submission"]) as talk:
        assert talk.log_in("alice@one.example", PASSWORD).startswith("235")
        answer = talk.mail("alice@one.example", ["bob@far.example", "back@far.example"], TEXT, " BODY=8BITMIME")
    number = answer.rpartition(" ")[2]
    one.wait_for(rf"{number} handed to {FAR}.* \(TLSv1\.3 .*2 of 2 recipients taken")
    postfix.wait_for(r"to=<bob@far\.example>.*status=sent")
    postfix.wait_for(r"to=<alice@one\.example>, orig_to=<back@far\.example>.*status=sent \(250 2\.0\.0 Ok: queued as \w+\)")
    one.wait_for(r"accepted id=\w+ from=<alice@one\.example> to=<alice@one\.example> failed=0 .*ip=127\.0\.0\.")


def test_what_we_refuse_postfix_reports_to_its_sender(one: MailServer, postfix: Child) -> None:
    """A bounce of Postfix's make, with a null sender, comes home to alice."""
    with Talk(ONE, one.ports["submission"]) as talk:
        assert talk.log_in("alice@one.example", PASSWORD).startswith("235")
        talk.mail("alice@one.example", ["ghost@far.example"], TEXT, " BODY=8BITMIME")
    postfix.wait_for(r"to=<nobody@one\.example>.*status=bounced .*550 5\.1\.1 No such user here")
    one.wait_for(r"accepted id=\w+ from=<> to=<alice@one\.example> failed=0")


def test_mail_that_needs_smtputf8_is_understood_by_both(one: MailServer, postfix: Child) -> None:
    with Talk(ONE, one.ports["submission"]) as talk:
        assert talk.log_in("alice@one.example", PASSWORD).startswith("235")
        answer = talk.mail("alice@one.example", ["jürgen@far.example"], TEXT, " SMTPUTF8")
    one.wait_for(rf"{answer.rpartition(' ')[2]} .*5\.1\.1 <jürgen@far\.example>")


def test_eight_bits_reach_a_postfix_that_takes_seven_as_quoted_printable(one: MailServer, postfix: Child) -> None:
    """RFC 6152 section 3."""
    text = "MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\nViele Grüße.\r\n"
    with Talk(ONE, one.ports["submission"]) as talk:
        assert talk.log_in("alice@one.example", PASSWORD).startswith("235")
        answer = talk.mail("alice@one.example", ["bob@seven.example"], text.encode(), " BODY=8BITMIME")
    one.wait_for(rf"{answer.rpartition(' ')[2]} handed to {SEVEN}.*1 of 1 recipients taken")
    postfix.wait_for(r"to=<bob@seven\.example>.*status=sent")
    (path,) = (postfix.folder / "mail" / "seven" / "new").iterdir()
    assert b"Viele Gr=C3=BC=C3=9Fe.\n" in path.read_bytes() and path.read_bytes().isascii()
