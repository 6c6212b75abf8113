"""A client of each role that brings a message by DATA or in chunks, reads what it is told, and goes on in the same session."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .wires import Smtp

DOMAIN, PASSWORD = "one.example", "correct horse"
LARGE, SMALL, CHUNK = 400_000, 3_000, 60_000
#: By listener: who is written to, how many replies the end of a message has.
ROLES: dict[str, tuple[list[str], int]] = {
    "smtp": (["alice@one.example", "bob@one.example"], 1), "submission": (["friend@far.example"], 1),
    "lmtp": (["alice@one.example", "bob@one.example"], 2),
}
Code = tuple[int, bytes]
FULL, TROUBLE = (452, b" 4.3.1 "), (451, b" 4.3.0 ")


class Client(Smtp):
    """One that takes what it is told, and goes on in the same session."""

    role = ""
    begun = staticmethod(lambda: None)      # called when the message is to come,
    ending = staticmethod(lambda: None)     # and before its last chunk

    @classmethod
    def of(cls, role: str, ports: dict[str, int]) -> Client:
        client = cls(ports[role])
        client.role = role
        assert client.reply()[0] == 220
        client.expect(250, b"LHLO c.example" if role == "lmtp" else b"EHLO c.example")
        if role == "submission":
            client.login(f"alice@{DOMAIN}", PASSWORD)
        return client

    def begin(self, recipients: Sequence[str] = (), parameters: str = "") -> None:
        self.expect(250, f"MAIL FROM:<alice@one.example>{parameters}".encode())
        for recipient in recipients or ROLES[self.role][0]:
            self.expect(250, f"RCPT TO:<{recipient}>".encode())

    def ended(self, octets: bytes) -> list[Code]:
        """The rest of a message."""
        self.send(octets + b".\r\n")
        return [self.reply() for _ in range(ROLES[self.role][1])]

    def data(self, octets: bytes, recipients: Sequence[str] = ()) -> list[Code]:
        """One reply, or by LMTP one for each recipient."""
        self.begin(recipients)
        self.expect(354, b"DATA")
        self.begun()
        return self.ended(octets)

    def chunked(self, octets: bytes, recipients: Sequence[str] = ()) -> list[Code]:
        """The replies that matter: to the chunk that is refused, or to the end. RSET afterwards if there is to be one."""
        self.begin(recipients)
        self.begun()
        for at in range(0, len(octets), CHUNK):
            last = at + CHUNK >= len(octets)
            if last:
                self.ending()
            self.send(b"BDAT %d%b\r\n" % (len(octets[at:at + CHUNK]), b" LAST" if last else b"") + octets[at:at + CHUNK])
            replies = [self.reply() for _ in range(ROLES[self.role][1] if last else 1)]
            if last or replies[0][0] != 250:
                break
        if not last:
            code, text = self.say(b"BDAT 3\r\nx\r\n"[:-2])
            assert code == 503, text            # RFC 3030 section 2: a chunk was refused
            self.expect(250, b"RSET")
        return replies


Way = Callable[..., list[Code]]      # as these two
WAYS: tuple[Way, ...] = (Client.data, Client.chunked)
