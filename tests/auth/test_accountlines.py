"""The accounts file's lines, and errors that name the line but never a hash."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.auth.accountlines import account_line, parse_accounts, parse_line
from mailframe.auth.hashing import hash_password
from mailframe.auth.names import login_name
from mailframe.model.address import Address

HASH = hash_password("secret")


def test_accounts_aliases_comments_and_empty_lines() -> None:
    aliases = "info@one.example -> alice@one.example, bob@x.example\r\n@one.example -> alice@one.example\n"
    text = f"# people\n\nAlice@One.Example:{HASH}\n{aliases}"
    accounts = parse_accounts(text, "file", ())
    assert accounts.hashes == {"alice@one.example": HASH}
    assert accounts.domains == {"one.example"}
    assert accounts.aliases["info@one.example"] == (Address("alice", "one.example"), Address("bob", "x.example"))
    assert accounts.find(Address("nobody", "one.example")) == (Address("alice", "one.example"),)
    assert accounts.find(Address("ALICE+news", "one.example")) == "alice@one.example"


@pytest.mark.parametrize(("line", "words"), [
    ("alice@one.example", "expected"),
    ("alice:" + HASH, "not an address"),
    ("a/x@one.example:" + HASH, "not an account"),
    ('"a b"@one.example:' + HASH, "not an account|spaces"),
    ("alice@one.example:secret", "not a password hash"),
    ("info@one.example -> ", "not an address"),
    ("info@one.example -> bob", "not an address"),
    ("postmaster -> bob@one.example", "full address"),
    ("zoe@two.example:" + HASH, "none of this server's domains"),
    ("carol@one.example:" + HASH, "second time"),
])
def test_a_broken_line_is_named_by_file_and_number(line: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as error:
        parse_accounts(f"# first\ncarol@one.example:{HASH}\n{line}\n", "/etc/accounts", ("one.example",))
    assert str(error.value).startswith("/etc/accounts, line 3: ")
    assert HASH not in str(error.value) and "secret" not in str(error.value)


def test_aliases_in_a_circle_end() -> None:
    accounts = parse_accounts("a@x.example -> b@x.example\nb@x.example -> a@x.example\n", "file", ("x.example",))
    assert not accounts.leads_to(Address("a", "x.example"), "c@x.example")


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=80))
def test_any_text_is_a_line_or_a_value_error(text: str) -> None:
    with contextlib.suppress(ValueError):
        parse_line(text)


@pytest.mark.parametrize(("typed", "domains", "name"), [
    ("alice", ("one.example",), "alice@one.example"),
    ("ALICE@One.Example", ("one.example", "two.example"), "alice@one.example"),
    ("alice", ("one.example", "two.example"), None),
    ("alice\x00", ("one.example",), None),
    ("", ("one.example",), None),
    ("@", ("one.example",), None),
    ("cafe\u0301@b\u00fccher.example", ("x",), "caf\u00e9@xn--bcher-kva.example"),
])
def test_the_names_people_log_in_with(typed: str, domains: tuple[str, ...], name: str | None) -> None:
    assert login_name(typed, domains) == name


def test_since_when_an_account_is_there_may_stand_behind_its_hash() -> None:  # RFC 7293
    line = parse_line(f"alice@one.example:{HASH} since=1970-01-01T01:00:00+01:00")
    assert line is not None and (line.hash, line.since) == (HASH, 0.0)
    assert account_line("alice@one.example", HASH, 1_000.0) == f"alice@one.example:{HASH} since=1970-01-01T00:16:40Z"
    plain = parse_line(account_line("alice@one.example", HASH, None))
    assert plain is not None and plain.since is None
    for wrong in ("since=yesterday", "since=1970-01-01T00:00:00", "until=1970-01-01T00:00:00Z", "more"):
        with pytest.raises(ValueError, match="since="):
            parse_line(f"alice@one.example:{HASH} {wrong}")
