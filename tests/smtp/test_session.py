"""What a client is told, and what the delivery agent is given, when things do not go smoothly."""

from __future__ import annotations

import pytest
from support.smtpworld import DATA, HELLO, MAIL, RCPT, Realm, SmtpWorld, make_portal
from support.transcripts import Player
from twisted.internet.defer import Deferred
from twisted.logger import globalLogPublisher

from mailframe.model.refusal import OverQuota, Refusal, StorageFull, TryAgainLater, UnknownRecipient
from mailframe.smtp.extension import Command, Conversation, Extension, MailDraft
from mailframe.smtp.extensions.builtin import BUILTIN
from mailframe.smtp.machine import AFTER_HELLO, ANY_TIME

TEXT = "C: hello\nC: .\n"


@pytest.fixture
def world() -> SmtpWorld:
    return SmtpWorld()


@pytest.fixture
def events() -> list[dict[str, object]]:
    found: list[dict[str, object]] = []

    def observe(event: dict[str, object]) -> None:
        if event.get("log_namespace") == "mailframe.smtp":
            found.append(event)
    globalLogPublisher.addObserver(observe)
    yield found
    globalLogPublisher.removeObserver(observe)


def settle(player: Player) -> None:
    player.transport.settle(player.protocol)


# Outcomes and refusals.

@pytest.mark.parametrize(("outcomes", "reply"), [
    ({}, "250 2.0.0 Ok: queued as *"),
    ({"b@mx.example": OverQuota()}, "250 2.0.0 Ok: queued as *"),
    ({"a@mx.example": UnknownRecipient(), "b@mx.example": UnknownRecipient("Gone")}, "550 5.1.1 No such user here"),
    ({"a@mx.example": UnknownRecipient(), "b@mx.example": OverQuota()}, "452 4.2.2 Mailbox is full"),
])
def test_one_reply_from_all_outcomes(world: SmtpWorld, outcomes: dict[str, Refusal], reply: str) -> None:
    world.reception.outcomes = outcomes
    rcpts = "C: RCPT TO:<a@mx.example>\nS: 250 *\nC: RCPT TO:<b@mx.example>\nS: 250 *\n"
    world.connect().play(f"{HELLO}{MAIL}{rcpts}{DATA}{TEXT}S: {reply}")


@pytest.mark.parametrize(("moment", "talk"), [
    ("hello", "S: 220 *\nC: EHLO c.example\nS: {}\nC: MAIL FROM:<a@far.example>\nS: 503 *"),
    ("mail", HELLO + "C: MAIL FROM:<a@far.example>\nS: {}\nC: RCPT TO:<bob@mx.example>\nS: 503 *"),
    ("rcpt bob@mx.example", HELLO + MAIL + "C: RCPT TO:<bob@mx.example>\nS: {}\nC: RCPT TO:<carol@mx.example>\nS: 250 *"),
    ("write", HELLO + MAIL + RCPT + DATA + TEXT + "S: {}"),
    ("commit", HELLO + MAIL + RCPT + DATA + TEXT + "S: {}"),
    ("verify", HELLO + "C: VRFY bob@mx.example\nS: {}"),
])
@pytest.mark.parametrize(("trouble", "reply"), [
    (Refusal("Go\r\n250 away", smtp=(550, "5.7.1"), detail="secret detail"), "550-5.7.1 Go\nS: 550 5.7.1 250 away"),
    (Refusal("A plugin's nonsense", smtp=(250, "2.0.0")), "451 4.3.0 A plugin's nonsense"),
    (ZeroDivisionError("the plugin's own words"), "451 4.3.0 Internal error, please try again later"),
])
def test_a_plugin_may_refuse_or_fail_at_any_moment_and_the_session_goes_on(
    world: SmtpWorld, events: list[dict[str, object]], moment: str, talk: str, trouble: Exception, reply: str,
) -> None:  # I7, I8
    world.reception.obstacles[moment] = trouble
    player = world.connect()
    player.play(talk.replace("{}", reply))
    world.reception.obstacles.clear()
    player.play("C: RSET\nS: 250 *\nC: EHLO c.example\nS: ...\n" + MAIL + RCPT + DATA + TEXT + "S: 250 *")
    failures = [event for event in events if event["log_level"].name == "critical"]  # type: ignore[attr-defined]
    assert len(failures) == isinstance(trouble, ZeroDivisionError)
    assert len(world.reception.committed) == 1


def test_a_refused_connection_is_told_why(world: SmtpWorld) -> None:
    world.reception.obstacles["connected"] = Refusal("You are on a list", smtp=(554, "5.7.1"))
    world.connect().play("S: 554 5.7.1 You are on a list\nC: QUIT\nS: 221 *\nS: <closed>")


@pytest.mark.parametrize(("code", "wait"), [(554, 10), (451, 10), (521, 0), (421, 0)])
def test_who_is_refused_at_once_has_a_moment_to_take_leave(world: SmtpWorld, code: int, wait: int) -> None:
    """RFC 5321 section 3.1; after 521 the connection may simply be closed (RFC 7504 section 3)."""
    world.reception.obstacles["connected"] = Refusal("Not you", smtp=(code, f"{code // 100}.7.1"))
    player = world.connect()
    waiting = f"C: NOOP\nS: 503 *\nT: {wait - 1}\nS: <nothing>\nT: 1\nS: 421 4.4.2 *\n" if wait else ""
    player.play(f"S: {code} *\n{waiting}S: <closed>")


def test_who_spoke_before_it_was_refused_is_not_waited_for(world: SmtpWorld) -> None:
    held = world.reception.hold("connected")
    player = world.connect()
    player.play("C: EHLO hasty.example\nS: <nothing>")
    held.errback(Refusal("Not you", smtp=(554, "5.7.1")))
    player.transport.settle(player.protocol)
    player.play("S: 554 5.7.1 Not you\nS: <closed>")


def test_a_refusal_with_421_ends_the_connection(world: SmtpWorld) -> None:
    world.reception.obstacles["mail"] = Refusal("Slow down", smtp=(421, "4.7.0"))
    world.connect().play(f"{HELLO}C: MAIL FROM:<a@far.example>\nS: 421 4.7.0 Slow down\nS: <closed>")


def test_one_log_line_for_a_message_and_none_for_commands(world: SmtpWorld, events: list[dict[str, object]]) -> None:
    world.connect().play(f"{HELLO}C: NOOP\nS: 250 *\n{MAIL}{RCPT}{DATA}{TEXT}S: 250 *")
    assert len(events) == 1
    delivery = world.reception.committed[0]
    assert (events[0]["id"], events[0]["sender"], events[0]["count"], events[0]["size"], events[0]["ip"]) == (
        delivery.envelope.id, delivery.envelope.sender, 1, 7, "192.0.2.7")


@pytest.mark.parametrize("space", [b" ", b"\t", b" \t ", b"\t\t"])
def test_white_space_at_the_end_of_a_command_is_tolerated(world: SmtpWorld, space: bytes) -> None:
    """RFC 5321 section 4.1.1."""
    player = world.connect()
    player.play("S: 220 *")
    for command in (b"EHLO c.example", b"MAIL FROM:<a@far.example> SIZE=9", b"RCPT TO:<bob@mx.example>", b"DATA", b"x\r\n.",
                    b"RSET", b"NOOP", b"QUIT"):
        player.send(command + (b"" if command.endswith(b".") else space) + b"\r\n")
        player.play("S: 354 *" if command == b"DATA" else "S: 221 *\nS: <closed>" if command == b"QUIT" else "S: ...")
    assert world.reception.committed[0].octets == b"x\r\n" and world.reception.hellos[-1].helo == "c.example"


# Limits.

def test_more_recipients_than_allowed(world: SmtpWorld) -> None:
    world = SmtpWorld(max_recipients=2)
    world.connect().play(
        HELLO + MAIL + "".join(f"C: RCPT TO:<u{n}@mx.example>\nS: 250 *\n" for n in range(2))
        + "C: RCPT TO:<u3@mx.example>\nS: 452 4.5.3 Too many recipients\n" + DATA + TEXT + "S: 250 *")
    assert len(world.reception.committed[0].recipients) == 2


def test_the_same_recipient_twice_is_one(world: SmtpWorld) -> None:
    world.connect().play(HELLO + MAIL + RCPT + RCPT + DATA + TEXT + "S: 250 *")
    assert len(world.reception.committed[0].recipients) == 1


def test_a_message_too_big_is_read_to_its_end_and_refused() -> None:
    world = SmtpWorld(max_message_octets=100)
    world.connect().play(
        HELLO + MAIL + RCPT + DATA + "C: MAIL FROM:<x@y>\n" * 20 + "C: .\nS: 552 5.3.4 Message is too big\nC: NOOP\nS: 250 *")
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]


def test_a_store_that_is_full_in_the_middle_costs_only_this_message(world: SmtpWorld) -> None:
    world.reception.obstacles["write"] = StorageFull()
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA + "C: a\nC: b\nC: .\nS: 452 4.3.1 *")
    world.reception.obstacles.clear()
    player.play(MAIL + RCPT + DATA + TEXT + "S: 250 *")
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted", "committed"]


def test_too_many_connections() -> None:
    world = SmtpWorld(max_connections=3, max_connections_per_ip=2)
    players = [world.connect("192.0.2.1"), world.connect("192.0.2.1")]
    world.connect("192.0.2.1").play("S: 421 4.7.0 Too many connections*\nS: <closed>")
    players.append(world.connect("192.0.2.2"))
    world.connect("192.0.2.3").play("S: 421 4.7.0 *\nS: <closed>")
    players[0].transport.drop(players[0].protocol)
    world.connect("192.0.2.3").play("S: 220 *")


def test_an_ipv6_peer_is_its_whole_network() -> None:
    world = SmtpWorld(max_connections_per_ip=1)
    world.connect("2001:db8::1").play("S: 220 *")
    world.connect("2001:db8::2").play("S: 421 *\nS: <closed>")
    world.connect("2001:db8:0:1::2").play("S: 220 *")


def test_bare_newlines_can_be_normalised() -> None:
    world = SmtpWorld(bare_newlines="normalise")
    world.connect().play(HELLO + MAIL + RCPT + DATA + "C| a\\n.\\nb\\rc\\r\\n.\\r\\n\nS: 250 *")
    assert world.reception.committed[0].octets == b"a\r\n.\r\nb\r\nc\r\n"


@pytest.mark.parametrize("wrong", [
    {"hostname": "two words"}, {"role": "relay"}, {"max_errors": 0}, {"idle_timeout_s": -1.0}, {"banner": "a\r\nb"},
    {"plaintext_login": "never"}, {"bare_newlines": "ignore"}, {"max_message_octets": -1},
])
def test_a_wrong_setting_is_named(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match=next(iter(wrong))):
        SmtpWorld(**wrong)


# What waits.

def test_answers_wait_for_a_slow_plugin_and_keep_their_order(world: SmtpWorld) -> None:
    held = world.reception.hold("rcpt bob@mx.example")
    player = world.connect()
    player.play(HELLO)
    group = "MAIL FROM:<a@far.example>", "RCPT TO:<bob@mx.example>", "NOOP", "XYZZY", ""
    player.play("C| " + "\\r\\n".join(group) + "\nS: 250 2.1.0 *\nS: <nothing>")
    held.callback(None)
    player.play("S: 250 2.1.5 *\nS: 250 2.0.0 *\nS: 500 *")


def test_an_answer_does_not_wait_for_the_next_command(world: SmtpWorld) -> None:
    first, second = world.reception.hold("rcpt bob@mx.example"), world.reception.hold("rcpt carol@mx.example")
    player = world.connect()
    player.play(HELLO + MAIL + "C| RCPT TO:<bob@mx.example>\\r\\nRCPT TO:<carol@mx.example>\\r\\n")
    first.callback(None)
    player.play("S: 250 2.1.5 *")
    second.callback(None)
    player.play("S: 250 2.1.5 *")


def test_a_slow_answer_is_not_the_client_idling(world: SmtpWorld) -> None:
    held = world.reception.hold("mail")
    player = world.connect()
    player.play(HELLO + "C: MAIL FROM:<a@far.example>\nT: 269")
    held.callback(None)
    player.play("S: 250 *\nT: 299\nC: NOOP\nS: 250 *")


def test_pipelined_answers_are_one_write(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO)
    player.transport.writes.clear()
    player.send(b"MAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\n")
    assert len(player.transport.writes) == 1


def test_a_slow_store_holds_the_sender_back(world: SmtpWorld) -> None:  # I3
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA)
    held = world.reception.hold("write")
    for _ in range(4):
        if player.transport.producerState == "producing":
            player.send(b"x" * 40_000)
    assert player.transport.producerState == "paused" and player.protocol.framer.waiting <= 131_072
    del world.reception.obstacles["write"]
    held.callback(None)
    assert player.transport.producerState == "producing"
    player.play("C|\\r\\n.\\r\\n\nS: 250 *")
    assert len(world.reception.committed[0].octets) == 120_002


def test_a_client_that_does_not_read_is_not_served_more() -> None:  # I3
    world = SmtpWorld(max_idle_commands=20_000)
    player = world.connect()
    player.play(HELLO)
    player.protocol.pauseProducing()
    player.send(b"NOOP\r\n" * 20_000)
    assert player.transport.value() == b"" and player.transport.producerState == "paused"
    player.protocol.resumeProducing()
    assert 0 < len(player.transport.value()) < 10_000, "others have their turn (I2)"
    for _ in range(50):
        world.clock.advance(0)
    assert player.transport.value() == b"250 2.0.0 Ok\r\n" * 20_000 and player.transport.producerState == "producing"
    player.transport.clear()
    player.protocol.pauseProducing()
    world.clock.advance(301)
    settle(player)
    assert player.transport.lost


@pytest.mark.parametrize("moment", ["mail", "rcpt bob@mx.example", "write"])
def test_a_connection_lost_while_a_plugin_thinks_delivers_nothing(world: SmtpWorld, moment: str) -> None:
    player = world.connect()
    player.play(HELLO)
    held = world.reception.hold(moment)
    player.send(b"MAIL FROM:<a@far.example>\r\nRCPT TO:<bob@mx.example>\r\nDATA\r\nhello\r\n.\r\n")
    player.transport.drop(player.protocol)
    assert world.factory.connections == 1, "still at work"
    held.callback(None)
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]
    assert world.factory.connections == 0 and world.clock.getDelayedCalls() == []


def test_a_connection_lost_in_mid_data_delivers_nothing(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA + "C: half a message\nC| \\r\\n.\nD:")
    assert [delivery.state for delivery in world.reception.deliveries] == ["aborted"]


def test_a_connection_lost_during_commit_lets_it_finish(world: SmtpWorld) -> None:
    held = world.reception.hold("commit")
    player = world.connect()
    player.play(HELLO + MAIL + RCPT + DATA + TEXT + "D:")
    held.callback(None)
    assert len(world.reception.committed) == 1 and world.factory.connections == 0


def test_a_plugin_that_never_answers_costs_one_request(world: SmtpWorld) -> None:  # I7
    world = SmtpWorld(answer_timeout_s=60)
    world.reception.hold("mail")
    player = world.connect()
    player.play(HELLO + "C: MAIL FROM:<a@far.example>\nS: <nothing>\nT: 361\nS: 451 4.3.0 *\n")
    world.reception.obstacles.clear()
    player.play(MAIL + RCPT + DATA + TEXT + "S: 250 *")


def test_a_client_that_never_takes_the_last_words_is_cut(world: SmtpWorld) -> None:
    player = world.connect()
    player.protocol.dataReceived(b"QUIT\r\n")
    assert player.transport.disconnecting and not player.transport.disconnected
    world.clock.advance(11)
    assert player.transport.disconnected
    settle(player)
    assert world.clock.getDelayedCalls() == []


# What is handed on.

@pytest.mark.parametrize(("hello", "encrypted", "login", "utf8", "word"), [
    ("HELO", False, False, False, "SMTP"), ("EHLO", False, False, False, "ESMTP"), ("EHLO", True, False, False, "ESMTPS"),
    ("EHLO", True, True, False, "ESMTPSA"), ("EHLO", False, True, False, "ESMTPA"), ("EHLO", True, True, True, "UTF8SMTPSA"),
    ("EHLO", False, False, True, "UTF8SMTP"),
])
def test_the_trace_word(hello: str, encrypted: bool, login: bool, utf8: bool, word: str) -> None:  # RFC 3848, RFC 6531 section 4.3
    world = SmtpWorld(portal=make_portal(), plaintext_login="always")
    auth = "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: 235 *\n" if login else ""
    world.connect(encrypted=encrypted).play(
        f"S: 220 *\nC: {hello} c.example\nS: ...\n{auth}C: MAIL FROM:<a@far.example>{' SMTPUTF8' if utf8 else ''}\nS: 250 *")
    peer = world.reception.deliveries[0].envelope.peer
    assert (peer.protocol, peer.helo, peer.account) == (word, "c.example", "bob" if login else None)
    assert peer.tls == ("TLSv1.3 TLS_AES_256_GCM_SHA384" if encrypted else "")


def test_the_envelope_carries_all_parameters(world: SmtpWorld) -> None:
    world.connect().play(
        HELLO + "C: MAIL FROM:<> SIZE=77 BODY=8BITMIME RET=FULL ENVID=q+2B1\nS: 250 *\n"
        "C: RCPT TO:<Bob@MX.example> NOTIFY=DELAY,failure ORCPT=rfc822;b+3Db@x.example\nS: 250 *")
    delivery = world.reception.deliveries[0]
    envelope, recipient = delivery.envelope, delivery.recipients[0]
    assert envelope.sender is None
    assert (envelope.size, envelope.body, envelope.ret, envelope.envid) == (77, "8BITMIME", "FULL", "q+1")
    assert envelope.received_at == 1_800_000_000
    assert recipient.notify == {"DELAY", "FAILURE"} and recipient.orcpt == "rfc822;b=b@x.example"
    assert str(recipient) == "Bob@mx.example"


def test_ids_differ_and_sort_by_time(world: SmtpWorld) -> None:
    player = world.connect()
    player.play(HELLO)
    for _ in range(50):
        world.clock.advance(0.01)
        player.play(MAIL + "C: RSET\nS: 250 *\n")
    ids = [delivery.envelope.id for delivery in world.reception.deliveries]
    assert ids == sorted(set(ids)) and all(len(name) == 16 for name in ids)


@pytest.mark.parametrize(("switch", "parameter"), [("dsn", "RET=FULL"), ("smtputf8", "SMTPUTF8")])
def test_what_is_switched_off_is_neither_announced_nor_understood(switch: str, parameter: str) -> None:
    player = SmtpWorld(**{switch: False}).connect()
    player.send(b"EHLO c.example\r\n")
    assert switch.upper().encode() not in player.transport.value()
    player.play(f"S: ...\nC: MAIL FROM:<a@far.example> {parameter}\nS: 555 5.5.4 *")


# Third parties.

def test_an_extension_of_somebody_else_has_all_our_slots(world: SmtpWorld) -> None:
    def mood(draft: MailDraft, value: str | None) -> None:
        if value != "good":
            raise Refusal("Come back in a better mood", smtp=(450, "4.7.1"))

    async def xasync(session: Conversation, args: bytes) -> None:
        session.say(b"250 2.0.0 " + args.upper() + b"\r\n")

    def xfail(session: Conversation, args: bytes) -> None:
        raise KeyError("secret")

    world.factory.registry = BUILTIN.extended(Extension(
        "XMOOD", "none", keywords=lambda situation: ("XMOOD good",) if not situation.tls else (), mail_parameters={"XMOOD": mood},
        commands=(Command(b"XASYNC", ANY_TIME, xasync), Command(b"XFAIL", AFTER_HELLO, xfail)),
    ))
    world.connect().play(
        "S: 220 *\nC: XFAIL\nS: 503 *\n" + HELLO[9:] + "C: XASYNC hi there \nS: 250 2.0.0 HI THERE\nC: XFAIL\nS: 451 4.3.0 *\n"
        "C: MAIL FROM:<a@far.example> XMOOD=bad\nS: 450 4.7.1 *\nC: MAIL FROM:<a@far.example> XMOOD=good\nS: 250 *")
    world.connect(encrypted=True).play(HELLO + "C: MAIL FROM:<a@far.example> XMOOD=good\nS: 555 *")


def test_a_fault_of_our_own_ends_only_that_session(world: SmtpWorld, events: list[dict[str, object]]) -> None:
    first, second = world.connect(), world.connect()
    first.play(HELLO)
    first.protocol.framer.line = None  # type: ignore[method-assign]
    first.play("C: NOOP\nS: 421 4.3.0 Internal error*\nS: <closed>")
    second.play(HELLO + MAIL)
    assert len(events) == 1 and world.factory.connections == 1


# Logging in.

def test_a_login_ends_with_its_connection_and_with_starttls() -> None:
    realm = Realm()
    world = SmtpWorld(portal=make_portal(realm), plaintext_login="always")
    login = HELLO + "C: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: 235 *\n"
    world.connect().play(login + "D:")
    assert realm.logouts == 1
    world.connect().play(login + "C: STARTTLS\nS: 220 *\nC: EHLO c.example\nS: ...\n" + MAIL)
    assert realm.logouts == 2 and world.reception.deliveries[-1].envelope.peer.account is None


@pytest.mark.parametrize(("where", "ip", "encrypted", "offered"), [
    ("tls", "127.0.0.1", False, False), ("tls", "192.0.2.7", True, True), ("loopback", "127.0.0.1", False, True),
    ("loopback", "192.0.2.7", False, False), ("always", "192.0.2.7", False, True),
])
def test_where_passwords_may_be_sent(where: str, ip: str, encrypted: bool, offered: bool) -> None:
    player = SmtpWorld(portal=make_portal(), plaintext_login=where).connect(ip, encrypted=encrypted)
    player.send(b"EHLO c.example\r\n")
    assert (b"AUTH PLAIN LOGIN" in player.transport.value()) == offered


@pytest.mark.parametrize(("trouble", "reply"), [
    (TryAgainLater(), "454 4.7.0 *"), (RuntimeError("secret"), "454 4.7.0 *"),
    (Refusal("Account is locked", smtp=(535, "5.7.13")), "535 5.7.13 *"),
])
def test_a_login_that_cannot_be_judged_now(trouble: Exception, reply: str) -> None:
    portal = make_portal()
    portal.login = lambda *args: _failed(trouble)  # type: ignore[method-assign]
    SmtpWorld(portal=portal).connect(encrypted=True).play(HELLO + f"C: AUTH PLAIN AGJvYgBzZWNyZXQ=\nS: {reply}\nC: NOOP\nS: 250 *")


def _failed(trouble: Exception) -> Deferred[object]:
    failed: Deferred[object] = Deferred()
    failed.errback(trouble)
    return failed


def test_no_password_in_the_log(events: list[dict[str, object]]) -> None:  # I9
    world = SmtpWorld(portal=make_portal())
    world.connect(encrypted=True).play(
        HELLO + "C: AUTH PLAIN AGJvYgBodW50ZXIy\nT: 1\nS: 535 *\nC: AUTH LOGIN Ym9i\nS: 334 *\nC: aHVudGVyMg==\nT: 1\nS: 535 *")
    assert len(events) == 2 and all("hunter2" not in str(event) and "aHVud" not in str(event) for event in events)


def test_a_client_gone_during_the_delay_after_a_wrong_password_leaves_nothing() -> None:
    world = SmtpWorld(portal=make_portal())
    world.connect(encrypted=True).play(HELLO + "C: AUTH PLAIN AGJvYgB3cm9uZw==\nD:")
    assert world.factory.connections == 0 and world.clock.getDelayedCalls() == []


# The end.

def test_stop_ends_idle_sessions_and_lets_messages_finish(world: SmtpWorld) -> None:
    idle, waiting, busy, committing = (world.connect() for _ in range(4))
    idle.play(HELLO)
    waiting.play(HELLO + MAIL + RCPT)
    busy.play(HELLO + MAIL + RCPT + DATA)
    held = world.reception.hold("commit")
    committing.play(HELLO + MAIL + RCPT + DATA + TEXT)
    stopped = world.factory.stop()
    for player in (idle, waiting, busy, committing):
        settle(player)
    idle.play("S: 421 4.3.2 *\nS: <closed>")
    waiting.play("S: <nothing>")
    world.connect().play("S: 421 4.3.2 *\nS: <closed>")
    assert not stopped.called
    del world.reception.obstacles["commit"]
    held.callback(None)
    settle(committing)
    committing.play("S: 250 *\nS: 421 4.3.2 *\nS: <closed>")
    busy.play(TEXT + "S: 250 *\nS: 421 4.3.2 *\nS: <closed>")
    waiting.play(DATA + TEXT + "S: 250 *\nS: 421 4.3.2 *\nS: <closed>")
    assert stopped.called and len(world.reception.committed) == 3


def test_stop_without_sessions_is_done_at_once(world: SmtpWorld) -> None:
    assert world.factory.stop().called


def test_three_hundred_silent_connections_cost_one_timer_for_all(world: SmtpWorld) -> None:
    world = SmtpWorld(max_connections_per_ip=300)
    players = [world.connect() for _ in range(300)]
    assert len(world.clock.getDelayedCalls()) == 1 and world.factory.connections == 300
    world.clock.advance(300)
    for player in players:
        settle(player)
    assert world.factory.connections == 0 and world.clock.getDelayedCalls() == []


@pytest.mark.parametrize("verb", ["VRFY", "EXPN"])
def test_guessing_by_other_words_ends_as_guessing_recipients_does(verb: str) -> None:
    world = SmtpWorld(max_refused_recipients=3)
    world.reception.known["nobody@mx.example"] = False
    world.reception.obstacles["expand nobody"] = UnknownRecipient()
    player = world.connect()
    player.play(HELLO + f"C: {verb} nobody@mx.example\nS: 550 5.1.1 *\n" * 3 + "S: 421 4.7.0 Too many errors\nS: <closed>")
