"""Mail inside an existing Twisted web service: one process, one reactor, one mailbox store.

    twistd -n --python examples/embed.py

http://127.0.0.1:8080/ lists the mail of dev@localhost; what is sent to smtp://127.0.0.1:1025 shows up there at once.
"""

from __future__ import annotations

import os
from email.parser import BytesHeaderParser
from email.policy import default
from html import escape
from pathlib import Path

from twisted.application.internet import StreamServerEndpointService
from twisted.application.service import Application
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.endpoints import serverFromString
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request, Site

from mailframe.app.config import Config, Listener
from mailframe.app.service import MailService
from mailframe.model.mailbox import FRESH_ACCOUNT, MAX_UID, Field

USER = "dev@localhost"

# The part that was here before: a web site.

class Inbox(Resource):
    isLeaf = True

    def __init__(self, mail: MailService) -> None:
        super().__init__()
        self.mail = mail

    def render_GET(self, request: Request) -> int:
        Deferred.fromCoroutine(self.show(request)).addErrback(lambda failure: request.processingFailed(failure))
        return NOT_DONE_YET

    async def show(self, request: Request) -> None:
        account = await self.mail.parts.store.open_account(USER, FRESH_ACCOUNT)
        listing = await account.mailboxes()
        inbox = await account.open_mailbox(next(m.id for m in listing.mailboxes if m.name == "INBOX"))
        rows = await inbox.rows([(1, MAX_UID)], 100, Field.NONE)
        items = ""
        for uid in rows.uids:
            header = BytesHeaderParser(policy=default).parsebytes(await inbox.read(uid, 0, 65_536))
            items += f"<li>{escape(str(header['from']))}: {escape(str(header['subject']))}</li>"
        request.setHeader("content-type", "text/html; charset=utf-8")
        request.write(f"<h1>{len(rows)} messages for {USER}</h1><ol>{items}</ol>".encode())
        request.finish()


application = Application("web-and-mail")

# The part that is new: three lines of mail.

config = Config(
    development=True, data=Path(os.environ.get("MAIL_DATA", "mailframe-data")).absolute(),
    listeners={"smtp": Listener("smtp", os.environ.get("SMTP_PORT", "1025")),
               "imap": Listener("imap", os.environ.get("IMAP_PORT", "1143"), plaintext_login="loopback")},
)
mail = MailService(config, reactor)
mail.setServiceParent(application)

web = serverFromString(reactor, "tcp:" + os.environ.get("WEB_PORT", "8080") + ":interface=127.0.0.1")
StreamServerEndpointService(web, Site(Inbox(mail))).setServiceParent(application)
