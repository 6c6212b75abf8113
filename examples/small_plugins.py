"""One small plugin of each other kind: a delivery agent, authentication with its directory, a filter.

No package is needed to try them. In the folder of this file:

    PYTHONPATH=. twistd -n mailframe --delivery small_plugins:EmlFiles:incoming --filter small_plugins:Shouting

or, for a server of one's own, in its configuration:

    [delivery]
    plugin = "small_plugins:EmlFiles"
    path = "incoming"

    [[auth]]
    plugin = "small_plugins:Team"
    domain = "example.org"
    people = { ada = "her password", bob = "his password" }

    [[filters]]
    plugin = "small_plugins:Shouting"
    refuse = ["LOTTERY"]

A method may be plain as here, ``async def``, or return a Deferred. What raises, hangs or lies costs the one message or login.
"""

import hmac
import os
from collections.abc import Mapping, Sequence
from email.parser import BytesHeaderParser
from pathlib import Path

from twisted.cred.checkers import ICredentialsChecker
from twisted.cred.credentials import IUsernamePassword
from twisted.cred.error import UnauthorizedLogin
from zope.interface import implementer

from mailframe.interfaces.delivery import IDelivery, IDeliveryAgent
from mailframe.interfaces.directory import IDirectory
from mailframe.interfaces.filter import IMessageFilter, IMessageOctets
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Recipient
from mailframe.model.refusal import Refusal
from mailframe.model.route import Account, Remote, Resolution, Unknown
from mailframe.model.verdict import Pass, Refuse, Tag, Verdict
from mailframe.pipeline.trace import delivered_to, return_path


@implementer(IDeliveryAgent)
class EmlFiles:
    """Mail as .eml files in the folder `path`, one for each recipient, for another program to pick up."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def begin(self, envelope: Envelope) -> "EmlDelivery":
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        return EmlDelivery(self.path, envelope)


@implementer(IDelivery)
class EmlDelivery:
    def __init__(self, folder: Path, envelope: Envelope) -> None:
        self.folder, self.envelope = folder, envelope
        self.recipients: list[Recipient] = []
        self.octets: list[bytes] = []

    def add_recipient(self, recipient: Recipient) -> None:
        self.recipients.append(recipient)

    def write(self, octets: bytes) -> None:
        self.octets.append(octets)

    def commit(self, head: bytes = b"", heads: Mapping[Recipient, bytes] = {}) -> Mapping[Recipient, Refusal | None]:
        """The client reads 250 when this has returned, with the files on the disk; who delivers for good says for whom."""
        for number, recipient in enumerate(self.recipients):
            own = return_path(self.envelope.sender) + delivered_to(recipient.address) + heads.get(recipient, b"")
            whole = self.folder / f"{self.envelope.id}-{number}.eml"
            with open(whole.with_suffix(".part"), "wb") as file:
                file.writelines([own, head, *self.octets])
                file.flush()
                os.fsync(file.fileno())
            whole.with_suffix(".part").rename(whole)
        return dict.fromkeys(self.recipients)       # None is success

    def abort(self) -> None:
        self.octets.clear()


@implementer(ICredentialsChecker, IDirectory)
class Team:
    """People and their passwords, as they stand in the configuration: who may log in, and whose mail is taken."""

    credentialInterfaces = (IUsernamePassword,)

    def __init__(self, domain: str, people: dict[str, str]) -> None:
        self.domain = domain
        self.passwords = {f"{name}@{domain}": password.encode() for name, password in people.items()}

    def requestAvatarId(self, credentials: IUsernamePassword) -> str:
        name = credentials.username.decode().lower()
        if hmac.compare_digest(self.passwords.get(name, b""), credentials.password) and name in self.passwords:
            return name
        raise UnauthorizedLogin("Wrong user name or password")

    def resolve(self, addresses: Sequence[Address]) -> list[Resolution]:
        return [self.account(address) for address in addresses]

    def account(self, address: Address) -> Resolution:
        if address.domain != self.domain:
            return Remote()
        return Account(address.folded) if address.folded in self.passwords else Unknown()

    def may_send_as(self, account: str, address: Address) -> bool:
        return address.folded == account


@implementer(IMessageFilter)
class Shouting:
    """Marks messages with a subject all in capitals, and refuses those with one of the words in `refuse`."""

    def __init__(self, refuse: Sequence[str] = ()) -> None:
        self.words = set(refuse)

    def message(self, envelope: Envelope, recipients: Sequence[Recipient], message: IMessageOctets) -> Verdict:
        subject = BytesHeaderParser().parsebytes(message.header()).get("Subject", "")
        if self.words & set(subject.upper().split()):
            return Refuse(Refusal("Not that again", smtp=(550, "5.7.1")))
        return Tag(b"X-Shouting: yes\r\n") if subject.isupper() else Pass()
