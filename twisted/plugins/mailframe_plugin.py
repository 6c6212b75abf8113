"""Shows `mailframe` to twistd; imports nothing of it before it is used."""

from twisted.application.service import ServiceMaker

mailframe = ServiceMaker(
    "mailframe", "mailframe.app.tap", "A mail server of pluggable parts: SMTP, relay, POP3, IMAP", "mailframe",
)
