"""What a client is told when a plugin, or we ourselves, refuse or fail; and what an extension of somebody else's can do."""

from __future__ import annotations

import pytest
from support.smtpworld import DATA, HELLO, MAIL, RCPT, TEXT, SmtpWorld

from mailframe.model.refusal import OverQuota, Refusal, UnknownRecipient
from mailframe.smtp.extension import Command, Conversation, Extension
from mailframe.smtp.extensions.builtin import BUILTIN
from mailframe.smtp.machine import AFTER_HELLO, ANY_TIME
from mailframe.smtp.situation import MailDraft


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


def test_a_plugin_that_never_answers_costs_one_request(world: SmtpWorld) -> None:  # I7
    world = SmtpWorld(answer_timeout_s=60)
    world.reception.hold("mail")
    player = world.connect()
    player.play(HELLO + "C: MAIL FROM:<a@far.example>\nS: <nothing>\nT: 361\nS: 451 4.3.0 *\n")
    world.reception.obstacles.clear()
    player.play(MAIL + RCPT + DATA + TEXT + "S: 250 *")


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
