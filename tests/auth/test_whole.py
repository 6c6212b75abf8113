"""The accounts file at a whole server: aliases in circles, catch-alls, IDN, case, and who may log in as whom."""

from __future__ import annotations

import poplib
import smtplib
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.servers import PATIENCE_S, MailServer, listeners

from mailframe.app.command import main
from mailframe.auth.hashing import hash_password

IDN = "xn--mnchen-3ya.example"       # münchen.example
HASH = hash_password("secret")
ACCOUNTS = f"""\
Alice@ONE.example:{HASH}
bob@one.example:{HASH}
jürgen@münchen.example:{HASH}
team@one.example -> alice@one.example, bob@One.Example, ALICE@one.example
here@one.example -> there@one.example
there@one.example -> here@one.example
both@one.example -> both@one.example, bob@one.example
@münchen.example -> jürgen@{IDN}
"""
SETTINGS = """
domains = ["one.example", "münchen.example"]
hostname = "mx.one.example"
[[auth]]
plugin = "file"
path = "accounts"
[pop3]
auth_failure_delay_s = 0.0
""" + listeners("smtp", "submission", "pop3")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MailServer]:
    folder = tmp_path_factory.mktemp("accounts")
    (folder / "accounts").touch(0o600)
    (folder / "accounts").write_text(ACCOUNTS)
    (folder / "mailframe.toml").write_text(SETTINGS)
    made = MailServer(folder, "--config", "mailframe.toml")
    yield made
    assert made.stop() == 0
    assert "Traceback" not in made.output, made.output


def count(server: MailServer, user: str, password: str = "secret") -> int:
    """Messages in the maildrop, which is then empty."""
    client = poplib.POP3("127.0.0.1", server.ports["pop3"], timeout=PATIENCE_S)
    client.encoding = "utf-8"
    client.user(user)
    client.pass_(password)
    found: int = client.stat()[0]
    for number in range(found):
        client.dele(number + 1)
    client.quit()
    return found


def send(server: MailServer, *to: str) -> dict[str, tuple[int, bytes]]:
    with smtplib.SMTP("127.0.0.1", server.ports["smtp"], timeout=PATIENCE_S) as client:
        client.ehlo()
        client.mail("a@example.org", ["SMTPUTF8"])
        client.command_encoding = "utf-8"
        refused = {address: (code, words) for address in to for code, words in [client.rcpt(address)] if code != 250}
        if len(refused) < len(to):
            client.data(b"Subject: hello\r\n\r\nHello\r\n")
    return refused


@pytest.mark.parametrize("name", ["alice@one.example", "ALICE@One.Example"])
def test_names_and_domains_know_no_case(server: MailServer, name: str) -> None:
    assert send(server, "aLiCe@oNe.ExAmPlE") == {}
    assert count(server, name) == 1


@pytest.mark.parametrize("name", ["jürgen@münchen.example", "JÜRGEN@MÜNCHEN.example", f"ju\u0308rgen@{IDN}"])
def test_an_internationalised_name_has_many_spellings_and_one_mailbox(server: MailServer, name: str) -> None:
    assert send(server, "jürgen@münchen.example", f"anybody@{IDN}") == {}
    assert count(server, name) in (1, 2)         # the catch-all leads there, too


def test_an_alias_gives_each_of_its_targets_one_copy(server: MailServer) -> None:
    assert send(server, "Team@one.example") == {}
    assert (count(server, "alice@one.example"), count(server, "bob@one.example")) == (1, 1)


def test_aliases_in_a_circle_are_refused_and_harm_nobody(server: MailServer) -> None:
    refused = send(server, "here@one.example", "bob@one.example")
    assert list(refused) == ["here@one.example"] and 400 <= refused["here@one.example"][0] < 600
    assert count(server, "bob@one.example") == 1


def test_an_alias_that_names_itself_still_reaches_the_others(server: MailServer) -> None:
    send(server, "both@one.example")
    assert count(server, "bob@one.example") == 1


def test_a_bare_name_is_nobodys_where_there_are_two_domains(server: MailServer) -> None:
    with pytest.raises(poplib.error_proto, match="AUTH"):
        count(server, "alice")


def test_unknown_user_and_wrong_password_are_answered_with_the_same_words(server: MailServer) -> None:
    words = set()
    for user in ("alice@one.example", "nobody@one.example", "alice@elsewhere.example", "team@one.example", "@münchen.example"):
        with pytest.raises(poplib.error_proto) as caught:
            count(server, user, "wrong")
        words.add(str(caught.value))
    assert len(words) == 1


def test_the_command_knows_the_same_spellings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:
    import io

    path = tmp_path / "accounts"
    for words in (["add", "Jürgen@München.example"], ["passwd", "jürgen@münchen.example"], ["passwd", f"JÜRGEN@{IDN}"]):
        monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
        assert main(["user", words[0], "--accounts", str(path), words[1]]) == 0, capsys.readouterr().err
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert main(["user", "passwd", "--accounts", str(path), "nobody@one.example"]) == 1
    assert capsys.readouterr().err == f"mailframe: {path} has no account nobody@one.example.\n"
    monkeypatch.setattr("sys.stdin", io.StringIO("secret\n"))
    assert main(["user", "passwd", "--accounts", str(path), "no address"]) == 1
    assert main(["user", "remove", "--accounts", str(path), "jürgen@münchen.example"]) == 0
