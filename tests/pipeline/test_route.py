"""Where an address leads."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.coroutines import result_of
from support.mailparts import TableDirectory

from mailframe.model.address import Address
from mailframe.model.envelope import Recipient
from mailframe.model.refusal import MailLoop, Refusal, RelayDenied, TryAgainLater, UnknownRecipient
from mailframe.model.route import Account, Remote, Resolution, Rewrite, TryLater
from mailframe.pipeline.route import RouteSettings, route

DEFAULT = RouteSettings(postmaster="admin")


def rewrite(*addresses: str) -> Rewrite:
    return Rewrite(tuple(Address.parse(each) for each in addresses))


def routed(
    address: str, table: dict[str, Resolution], options: RouteSettings = DEFAULT, may_relay: bool = False,
) -> list[tuple[str, str | None, str]]:
    found = result_of(route(TableDirectory(table), Recipient(Address.parse(address)), options, may_relay))
    return [(str(each), each.account, each.folder) for each in found]


def test_an_account_and_its_folder() -> None:
    assert routed("Bob@EXAMPLE.org", {"bob@example.org": Account("bob", "Lists")}) == [("Bob@example.org", "bob", "Lists")]


def test_postmaster_is_always_there() -> None:
    """RFC 5321 section 4.5.1."""
    assert routed("Postmaster@example.org", {}) == [("Postmaster@example.org", "admin", "INBOX")]
    assert routed("postmaster", {}) == [("postmaster", "admin", "INBOX")]
    assert routed("postmaster@example.org", {"postmaster@example.org": Account("eve")})[0][1] == "eve"
    with pytest.raises(RelayDenied):
        routed("postmaster@example.net", {})


def test_a_tag_leads_to_its_user_when_the_operator_wants_that() -> None:
    """RFC 5233."""
    table: dict[str, Resolution] = {"bob@example.org": Account("bob"), "bob+x@example.org": Account("special")}
    with pytest.raises(UnknownRecipient):
        routed("bob+tag@example.org", table)
    plus = RouteSettings(subaddress="+")
    assert routed("bob+tag@example.org", table, plus) == [("bob+tag@example.org", "bob", "INBOX")]
    assert routed("bob+x@example.org", table, plus)[0][1] == "special"
    with pytest.raises(UnknownRecipient):
        routed("+bob@example.org", table, plus)
    assert routed("bob+tag@example.org", table, RouteSettings(subaddress="+", subaddress_folder=True))[0][2] == "tag"


def test_relaying_is_for_those_who_may_but_aliases_may_lead_outside() -> None:
    with pytest.raises(RelayDenied):
        routed("joe@example.net", {})
    assert routed("joe@example.net", {}, may_relay=True) == [("joe@example.net", None, "INBOX")]
    assert routed("out@example.org", {"out@example.org": rewrite("joe@example.net")}) == [("joe@example.net", None, "INBOX")]


def test_an_alias_keeps_who_was_written_to() -> None:
    table: dict[str, Resolution] = {"all@example.org": rewrite("bob@example.org"), "bob@example.org": Account("bob")}
    [one] = result_of(route(TableDirectory(table), Recipient(Address.parse("all@example.org")), DEFAULT, False))
    assert one.orcpt == "rfc822;all@example.org"


def test_aliases_in_circles_end() -> None:
    table: dict[str, Resolution] = {
        "a@example.org": rewrite("b@example.org", "bob@example.org"), "b@example.org": rewrite("a@example.org"),
        "bob@example.org": Account("bob"), "self@example.org": rewrite("self@example.org")}
    assert routed("a@example.org", table) == [("bob@example.org", "bob", "INBOX")]
    with pytest.raises(MailLoop):
        routed("self@example.org", table)


def test_aliases_without_end_are_refused() -> None:
    chain: dict[str, Resolution] = {f"a{n}@example.org": rewrite(f"a{n + 1}@example.org") for n in range(20)}
    with pytest.raises(MailLoop):
        routed("a0@example.org", chain)
    with pytest.raises(Refusal) as caught:
        routed("many@example.org", {"many@example.org": rewrite(*(f"a{n}@example.net" for n in range(2_000)))})
    assert caught.value.smtp[0] == 550


def test_one_member_that_is_gone_does_not_stop_the_others() -> None:
    table: dict[str, Resolution] = {
        "all@example.org": rewrite("gone@example.org", "bob@example.org"), "bob@example.org": Account("bob")}
    assert routed("all@example.org", table) == [("bob@example.org", "bob", "INBOX")]
    with pytest.raises(UnknownRecipient):
        routed("dead@example.org", {"dead@example.org": rewrite("gone@example.org")})


def test_a_directory_that_cannot_say_is_asked_later() -> None:
    table: dict[str, Resolution] = {
        "all@example.org": rewrite("x@example.org", "joe@example.net"), "x@example.org": TryLater("ldap down")}
    with pytest.raises(TryAgainLater):
        routed("all@example.org", table)


@pytest.mark.parametrize("answer", [[], None, 7, ["yes"], [Account("a"), Account("b")]])
def test_a_directory_that_babbles_is_not_believed(answer: object) -> None:
    """I7."""
    class Babbling(TableDirectory):
        async def resolve(self, addresses: object) -> object:  # type: ignore[override]
            return answer

    with pytest.raises(TryAgainLater):
        result_of(route(Babbling({}), Recipient(Address.parse("a@example.org")), DEFAULT, False))


@given(st.dictionaries(st.integers(0, 15), st.one_of(
    st.just(Account("x")), st.just(Remote()), st.lists(st.integers(0, 15), max_size=4)), max_size=16))
@settings(max_examples=60, deadline=None)
def test_any_table_ends_with_each_destination_once(table: dict[int, object]) -> None:
    entries: dict[str, Resolution] = {}
    for number, value in table.items():
        address = f"a{number}@example.org"
        entries[address] = rewrite(*(f"a{n}@example.org" for n in value)) if isinstance(value, list) else value  # type: ignore[assignment]
    try:
        found = routed("a0@example.org", entries)
    except Refusal:
        return
    keys = [(account, folder) if account else (name,) for name, account, folder in found]
    assert keys and len(set(keys)) == len(keys)
