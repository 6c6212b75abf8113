"""A recipient of the envelope."""

from __future__ import annotations

from dataclasses import fields, replace

from mailframe.model.address import Address
from mailframe.model.envelope import Recipient


def test_a_recipient_in_a_mailbox_is_otherwise_the_same() -> None:
    whole = Recipient(Address("bob", "example.org"), frozenset({"DELAY"}), "rfc822;b@example.org", None, "INBOX", True, 1.0, "C")
    assert whole.at("bob", "Lists") == replace(whole, account="bob", folder="Lists")
    plain = Recipient(Address("", ""))
    assert all(getattr(whole, each.name) != getattr(plain, each.name) for each in fields(whole)
               if each.name not in ("account", "folder")), "a new field is to be tried here"
