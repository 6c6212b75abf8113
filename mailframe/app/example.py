"""A complete commented configuration: examples/mailframe.toml, and what `mailframe config` prints."""

from __future__ import annotations

from mailframe.app.reference import TABLES, settings, shown
from mailframe.smtp.settings import SmtpSettings

_EXAMPLE_HEAD = """\
# A complete mailframe configuration. It starts as it stands, on loopback and high ports:
#
#   twistd -n mailframe --config mailframe.toml
#   mailframe user add alice@example.org --config mailframe.toml
#   mailframe user add bob@example.org --config mailframe.toml
#
# Lines that begin with # show the defaults. Relative paths start from this file's folder. docs/configuration.md has all of it.

hostname = "mail.example.org"       # the server's own name: in DNS, with a reverse entry that leads back to it
data = "mailframe-data"             # mailboxes, queue, accounts; made with mode 0700
domains = ["example.org"]           # mail for these is ours
#postmaster = "alice@example.org"   # reads postmaster@ every domain; without it the first account does

# Where the server listens. For the world: "25", "587", "465", "143", "993", "110", "995" (with "tcp6:25" for IPv6 and IPv4).
# plaintext_login = "loopback" lets programs on this machine log in without TLS.

[listeners.smtp]                    # mail from other servers
role = "mx"
endpoint = "127.0.0.1:2525"

[listeners.submission]              # mail from our users, STARTTLS
role = "submission"
endpoint = "127.0.0.1:2587"
plaintext_login = "loopback"

[listeners.submissions]             # the same with TLS from the first octet
role = "submission"
endpoint = "127.0.0.1:2465"
tls = "implicit"

[listeners.imap]
role = "imap"
endpoint = "127.0.0.1:2143"
plaintext_login = "loopback"

[listeners.imaps]
role = "imap"
endpoint = "127.0.0.1:2993"
tls = "implicit"

[listeners.pop3]
role = "pop3"
endpoint = "127.0.0.1:2110"
plaintext_login = "loopback"

[listeners.pop3s]
role = "pop3"
endpoint = "127.0.0.1:2995"
tls = "implicit"

# Mail from an own server that faces the world (Postfix, say), for the mailboxes alone: each recipient is answered for itself.
#[listeners.lmtp]
#role = "lmtp"
#endpoint = "unix:/run/mailframe/lmtp:mode=660"
#tls = "none"

# Mail from own hosts that cannot log in, to anybody. Name their networks, or the server does not start:
#[listeners.own]
#role = "relay-in"
#endpoint = "192.0.2.1:2526"
#[relay_in]
#networks = ["192.0.2.0/24"]

# Behind haproxy or another TCP proxy a listener wants proxy_from = ["192.0.2.10"]: the PROXY protocol then tells who connects.

# Without a certificate of your own a self-signed one is made in the data folder. Both files are read again when they change.
#[tls]
#certificate = "/etc/letsencrypt/live/mail.example.org/fullchain.pem"
#key = "/etc/letsencrypt/live/mail.example.org/privkey.pem"

# Mailboxes: "sqlite" in the data folder, or a plugin of your own, by name or as "package.module:Factory".
[storage]
plugin = "sqlite"

# Accounts: one line each, NAME@DOMAIN:HASH, and aliases as ALIAS@DOMAIN -> NAME@DOMAIN. `mailframe user` keeps the file.
[[auth]]
plugin = "file"
#path = "mailframe-data/accounts"

# Mail for other domains goes to their MX hosts, or all of it to a smarthost:
#[relay.smarthost]
#host = "smtp.provider.example"
#tls = "starttls"
#user = "alice"
#password = "secret"
"""


#: Tables that stand in the head, or cannot be shown by their defaults.
_WRITTEN_BY_HAND = (
    (), ("listeners", "NAME"), ("tls",), ("tls", "also"), ("guards", "dnsbl", "lists"), ("relay", "smarthost"),
    ("relay", "routes", "DOMAIN"),
)

#: The listeners of the tables that have the settings of [smtp].
_WHOSE = {
    "submission": 'listeners with role = "submission"', "lmtp": 'role = "lmtp"; and require_login = false',
    "relay_in": 'role = "relay-in"; networks must be given',
}


def example() -> str:
    """The whole file; made anew with: ``mailframe config > examples/mailframe.toml``."""
    parts = [_EXAMPLE_HEAD]
    for table, title, cls in TABLES:
        if table in _WRITTEN_BY_HAND:
            continue
        if cls is SmtpSettings and table != ("smtp",):
            parts.append(f"#[{title}]" + " " * max(2, 38 - len(title) - 1) + f"# settings as in [smtp], for {_WHOSE[title]}\n")
            continue
        rows = [(f"#{item.name} = {shown(item.default)}", item.reason) for item in settings(table, cls)
                if shown(item.default) is not None and item.kind != "table"]
        parts.append("\n".join([f"#[{title}]", *(f"{left:<40}  # {reason}" if reason else left for left, reason in rows)]) + "\n")
    return "\n".join(parts)
