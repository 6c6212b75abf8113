"""What the server prints when it has started: it fits a terminal, is exact, and warns of what must not stay so."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from twisted.internet import reactor
from twisted.internet.task import Clock

from mailframe.app.config import Config, Listener
from mailframe.app.firstrun import warnings, welcome
from mailframe.app.reference import check
from mailframe.auth.accounts import AccountsFile
from mailframe.auth.hashing import DUMMY_HASH
from mailframe.smtp.settings import SmtpSettings

DEVELOPMENT = Config(development=True, data=Path("/home/me/mailframe-data"))
ADDRESSES = {name: ("127.0.0.1", int(listener.endpoint.split(":")[1])) for name, listener in DEVELOPMENT.listeners.items()}


def parts(*others: object, self_signed: bool = False) -> Any:
    return SimpleNamespace(
        tls=SimpleNamespace(is_self_signed=self_signed), others=others, development=SimpleNamespace(password="abcdefghjkmn"))


def accounts(folder: Path, text: str) -> AccountsFile:
    (folder / "accounts").touch(0o600)
    (folder / "accounts").write_text(text)
    made = AccountsFile(folder / "accounts", reactor=reactor, clock=Clock())
    made.load()
    return made


def real(**settings: Any) -> Config:
    return Config(**{"hostname": "mx.one.example", "domains": ("one.example",), "data": Path("post"), **settings})


def test_development_mode_fits_a_terminal_and_tells_all() -> None:
    text = welcome(DEVELOPMENT, ADDRESSES, parts(self_signed=True))
    assert max(len(line) for line in text.splitlines() if not line.startswith("  curl ")) <= 100     # to paste: one line each
    first = text.splitlines()[0]
    assert first.startswith("mailframe ") and "development mode" in first
    for words in ("imaps        127.0.0.1:1993  TLS       read mail", "pop3         127.0.0.1:1110  STLS      collect mail",
                  "password     abcdefghjkmn", "mailframe config > mailframe.toml", "/home/me/mailframe-data"):
        assert words in text
    assert "Warning" not in text


def test_what_is_not_there_is_not_offered_to_try() -> None:
    assert "Try it" not in welcome(DEVELOPMENT, {"imap": ("/run/imap", 0)}, parts())
    text = welcome(DEVELOPMENT, {"smtp": ("::1", 1025)}, parts())
    assert "smtp://[::1]:1025" in text and "imap://" not in text


def test_a_real_server_in_order_has_no_warnings(tmp_path: Path) -> None:
    file = accounts(tmp_path, f"alice@one.example:{DUMMY_HASH}\n")
    text = welcome(real(), {"smtp": ("0.0.0.0", 25)}, parts(file))
    assert text.splitlines()[0].endswith(" on mx.one.example, for one.example.")
    assert "Warning" not in text and "password" not in text


@pytest.mark.parametrize(("settings", "words"), [
    ({"hostname": "laptop"}, "calls itself 'laptop'"),
    ({"listeners": {"own": Listener("relay-in", "2525")}, "relay_in": SmtpSettings(networks=("0.0.0.0/0",))}, "an open relay"),
    ({"listeners": {"imap": Listener("imap", "143", plaintext_login="always")}}, "imap takes passwords without TLS from anywhere"),
    ({"listeners": {name: Listener(name, "1", plaintext_login="always") for name in ("imap", "pop3")}}, "imap and pop3 take"),  # type: ignore[arg-type]
])
def test_each_danger_is_one_warning(tmp_path: Path, settings: dict[str, Any], words: str) -> None:
    file = accounts(tmp_path, f"alice@one.example:{DUMMY_HASH}\n")
    found = list(warnings(real(**settings), parts(file)))
    assert len(found) == 1 and words in found[0]


def test_roles_without_a_login_are_named_and_have_no_passwords_to_be_wary_of(tmp_path: Path) -> None:
    config = real(
        listeners={"lmtp": Listener("lmtp", "unix:/run/lmtp:mode=660", "none"),
                   "own": Listener("relay-in", "127.0.0.1:2525", plaintext_login="always")},
        relay_in=SmtpSettings(networks=("192.0.2.0/24",)))
    found = parts(accounts(tmp_path, f"alice@one.example:{DUMMY_HASH}\n"))
    text = welcome(config, {"lmtp": ("/run/lmtp", 0), "own": ("127.0.0.1", 2525)}, found)
    assert "lmtp         /run/lmtp       no TLS    mail from an own server" in text
    assert "own          127.0.0.1:2525  STARTTLS  mail from own hosts" in text and "Warning" not in text


def test_check_tells_who_may_connect() -> None:
    """What `mailframe check` says."""
    config = real(
        listeners={"lmtp": Listener("lmtp", "24"), "own": Listener("relay-in", "2525"),
                   "imap": Listener("imap", "143", proxy_from=("192.0.2.1",))},
        relay_in=SmtpSettings(networks=("192.0.2.0/24", "unix")), lmtp=SmtpSettings(require_login=True))
    lines = list(check(config))
    for words in ("lmtp: lmtp on tcp:24, TLS on demand; passwords under TLS only",
                  "own: relay-in on tcp:2525, TLS on demand; from 192.0.2.0/24, unix only",
                  "imap: imap on tcp:143, TLS on demand; passwords under TLS only; behind a proxy at 192.0.2.1"):
        assert f"  {words}" in lines


def test_no_accounts_and_no_certificate_are_warned_of_with_what_to_do(tmp_path: Path) -> None:
    text = welcome(real(), {"imap": ("0.0.0.0", 143)}, parts(accounts(tmp_path, "# none\n"), self_signed=True))
    assert text.count("Warning: ") == 2
    assert "self-signed" in text and "--certificate" in text
    assert f"mailframe user add --accounts {tmp_path}/accounts NAME@one.example" in " ".join(text.split())
