"""Which hosts are tried, in what order, and what a next hop's words come to."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mailframe.dns.answer import MailExchange
from mailframe.model.refusal import TryAgainLater
from mailframe.relay.mx import LoopsBack, NoRoute, NoSuchMailDomain, TakesNoMail, in_order, literal, ourselves
from mailframe.relay.outcome import judged, refusal_of, refusal_of_host, try_next_host
from mailframe.relay.settings import RelaySettings, Smarthost
from mailframe.smtp.client import PeerRefused
from mailframe.smtp.client_plan import Outcome, Stage
from mailframe.smtp.reply import Reply


def mx(text: str) -> list[MailExchange]:
    return [MailExchange(int(word.partition(":")[0]), word.partition(":")[2]) for word in text.split()]


def keep(hosts: list[MailExchange]) -> None:
    """No shuffling."""


def test_the_best_preference_is_tried_first() -> None:
    assert in_order(mx("20:b 10:a 30:c"), (), keep) == mx("10:a 20:b 30:c")


def test_equals_share_the_load() -> None:
    firsts = {in_order(mx("10:a 10:b 10:c 20:d"), (), random.Random(seed).shuffle)[0].host for seed in range(30)}
    assert firsts == {"a", "b", "c"}


def test_a_backup_never_hands_to_itself_nor_to_worse_hosts() -> None:
    """RFC 5321 section 5.1."""
    assert in_order(mx("10:a 20:me 20:b 30:c"), ("me",), keep) == mx("10:a")
    with pytest.raises(LoopsBack) as caught:
        in_order(mx("10:me 20:a"), ("me",), keep)
    assert caught.value.smtp == (554, "5.4.6")


def test_a_null_mx_is_permanent_and_ignored_beside_others() -> None:
    with pytest.raises(TakesNoMail) as caught:
        in_order([MailExchange(0, "")], (), keep)
    assert caught.value.smtp == (556, "5.1.10")
    assert in_order([MailExchange(0, ""), MailExchange(10, "a")], (), keep) == mx("10:a")
    with pytest.raises(NoRoute):
        in_order([], (), keep)


def test_a_host_named_twice_is_tried_once() -> None:
    assert in_order(mx("20:a 10:a 15:b"), (), keep) == mx("10:a 15:b")


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 3), st.sampled_from("abcdm")), min_size=1, max_size=12), st.integers(0, 99))
def test_the_order_never_rises_and_never_reaches_us(pairs: list[tuple[int, str]], seed: int) -> None:
    records = [MailExchange(preference, host) for preference, host in pairs]
    ours = [preference for preference, host in pairs if host == "m"]
    try:
        hosts = in_order(records, ("m",), random.Random(seed).shuffle)
    except LoopsBack:
        assert min(ours) == min(preference for preference, _ in pairs)
        return
    assert hosts and [host.preference for host in hosts] == sorted(host.preference for host in hosts)
    assert all(not ours or host.preference < min(ours) for host in hosts)


def test_address_literals() -> None:
    assert literal("[192.0.2.1]") == "192.0.2.1"
    assert literal("[IPv6:2001:db8::1]") == "2001:db8::1"
    assert literal("example.org") is None


def test_what_is_ourselves() -> None:
    mapped = ("::ffff:127.0.0.1", "::ffff:192.0.2.7")
    for address in ("127.0.0.1", "127.8.9.1", "::1", "0.0.0.0", "::", "192.0.2.7", "224.0.0.1", *mapped):
        assert ourselves(address, {"192.0.2.7"}, True), address
    assert not ourselves("192.0.2.8", {"192.0.2.7"}, True)
    assert not ourselves("127.0.0.1", (), False)


def outcome(text: str, stage: Stage) -> Outcome:
    code, enhanced, *words = text.split(" ")
    return Outcome(Reply(int(code), enhanced, (" ".join(words),)), stage)


def test_a_refusal_carries_the_next_hops_own_words() -> None:
    refusal = refusal_of(outcome("550 5.1.1 No such user", Stage.RCPT), "mx.example")
    assert (refusal.smtp, refusal.mta, refusal.diagnostic) == ((550, "5.1.1"), "mx.example", "550 5.1.1 No such user")
    assert refusal.public == "mx.example answered RCPT TO with: 550 5.1.1 No such user"


def test_our_own_words_are_never_passed_off_as_the_next_hops() -> None:
    ours = (("421 4.4.2 Connection lost: x", Stage.LOST), ("451 4.4.2 lost", Stage.DOUBTFUL), ("552 5.3.4 big", Stage.LOCAL))
    for text, stage in ours:
        refusal = refusal_of(outcome(text, stage), "mx.example")
        assert (refusal.diagnostic, refusal.mta, str(refusal.smtp[0])) == ("", "mx.example", text[:3])


def test_codes_that_are_no_refusal_become_temporary() -> None:
    assert refusal_of(Outcome(Reply(299, "", ("?",)), Stage.RCPT), "mx").smtp == (451, "4.5.0")
    assert refusal_of(Outcome(Reply(550, "", ("no",)), Stage.RCPT), "mx").smtp == (550, "5.0.0")


@pytest.mark.parametrize(("text", "stage", "expected"), [
    ("450 4.2.1 busy", Stage.MAIL, True), ("550 5.7.1 no", Stage.MAIL, False), ("450 4.2.1 grey", Stage.RCPT, False),
    ("421 4.3.2 bye", Stage.RCPT, True), ("421 4.4.2 lost", Stage.LOST, True), ("451 4.4.2 lost", Stage.DOUBTFUL, False),
    ("421 4.3.0 x", Stage.END, False), ("554 5.7.1 spam", Stage.END, False), ("552 5.3.4 big", Stage.LOCAL, False),
])
def test_when_another_host_is_tried(text: str, stage: Stage, expected: bool) -> None:
    assert try_next_host(outcome(text, stage)) is expected


def test_all_hosts_must_agree_for_a_permanent_refusal() -> None:
    permanent, temporary = NoSuchMailDomain(), TryAgainLater()
    assert judged([permanent, temporary, permanent]) is temporary
    assert judged([permanent]) is permanent


def test_a_wrong_password_is_ours_to_mend_and_keeps_mail_in_the_queue() -> None:
    assert refusal_of_host(PeerRefused("AUTH", Reply(535, "5.7.8", ("no",))), "mx").temporary
    assert not refusal_of_host(PeerRefused("greeting", Reply(554, "5.7.1", ("blocked",))), "mx").temporary


def test_settings_refuse_to_be_wrong() -> None:
    for wrong in (lambda: Smarthost("mx", tls="maybe"), lambda: Smarthost("mx", tls="opportunistic", user="bob", password="x"),
                  lambda: Smarthost("mx", 0), lambda: Smarthost("no host"), lambda: Smarthost(""),
                  lambda: RelaySettings(tls="implicit"), lambda: RelaySettings(validating=("192.0.2.1:53",))):
        with pytest.raises(ValueError):
            wrong()


def test_a_smarthost_by_any_spelling() -> None:
    names = [Smarthost(text).name for text in ("Mail.Example.", "[192.0.2.1]", "192.0.2.1", "[2001:DB8::1]", "münchen.example")]
    assert names == ["mail.example", "192.0.2.1", "192.0.2.1", "2001:db8::1", "xn--mnchen-3ya.example"]


def test_passwords_do_not_show() -> None:
    """I9."""
    assert "hunter2" not in repr(RelaySettings(Smarthost("mx", user="bob", password="hunter2")))
