"""Every limit of what comes in has a test that crosses it: here is the list, and those tests that stand nowhere else."""

from __future__ import annotations

import ast
import re
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
from support.smtpworld import SmtpWorld
from twisted.internet.task import Clock
from twisted.logger import LogEvent, globalLogPublisher

from mailframe.filters.bans import BansSettings
from mailframe.filters.dnslists import DnsListsSettings
from mailframe.filters.early import EarlySettings
from mailframe.filters.greylist import GreylistSettings
from mailframe.filters.hello import HelloSettings
from mailframe.filters.rates import RatesSettings
from mailframe.filters.recipients import RecipientsSettings
from mailframe.filters.reverse import ReverseSettings
from mailframe.filters.sender import SenderSettings
from mailframe.filters.tarpit import TarpitSettings
from mailframe.model.address import Address
from mailframe.model.envelope import Envelope, Peer
from mailframe.model.refusal import Refusal, UnknownRecipient
from mailframe.pipeline.filters import FilterSettings
from mailframe.pipeline.halfdone import HalfDone
from mailframe.pipeline.route import RouteSettings
from mailframe.pipeline.settings import PipelineSettings
from mailframe.pipeline.submission.settings import RateSettings, SubmissionSettings
from mailframe.proxied.header import MAX_BINARY, MAX_TEXT, BadHeader, read_header
from mailframe.proxied.settings import ProxySettings
from mailframe.queue.schedule import RetrySettings
from mailframe.smtp.settings import SmtpSettings
from mailframe.tracing.choices import TraceSettings

TESTS = Path(__file__).parents[1]
PACKAGE = TESTS.parent / "mailframe"
HERE = "smtp/test_limits.py::"
BOUNDS, GREY, DNS = "filters/test_bounds.py::test_", "filters/test_greylist.py::test_", "filters/test_dns.py::test_"
QUEUE = "queue/test_"
RATES, TIME = "pipeline/test_submission_rates.py::test_", "smtp/test_time.py::test_"
#: Of each limit the test that crosses it: a function of a file, or a whole transcript.
CROSSED: dict[type, dict[str, str]] = {
    SmtpSettings: {
        "max_message_octets": "hostile/test_smtp.py::test_huge_chunks_are_refused_when_their_octets_have_come_and_cost_nothing",
        "max_recipients": "hostile/test_smtp.py::test_recipients_without_end_in_one_connection",
        "max_mails": "transcripts/smtp/limits.txt", "max_recipient_domains": "transcripts/smtp/limits.txt",
        "max_hold_s": "transcripts/smtp/futurerelease.txt", "min_deliver_by_s": "transcripts/smtp/deliverby.txt",
        "max_priority": "smtp/test_time_and_rank.py", "idle_timeout_s": TIME + "an_octet_now_and_then_keeps_no_command_alive",
        "data_timeout_s": "smtp/test_content.py::test_who_falls_silent_in_a_message_is_told_and_let_go",
        "transaction_timeout_s": TIME + "an_octet_a_second_keeps_no_message_alive",
        "min_octets_per_s": TIME + "a_long_message_has_the_time_it_needs",
        "answer_timeout_s": TIME + "every_answer_but_the_last_comes_before_a_client_gives_up",
        "commit_timeout_s": TIME + "the_last_answer_may_take_longer",
        "refused_timeout_s": "smtp/test_session.py::test_who_is_refused_at_once_has_a_moment_to_take_leave",
        "close_timeout_s": TIME + "who_does_not_take_our_last_words_is_cut_then",
        "max_errors": "transcripts/smtp/too-many-errors.txt",
        "max_idle_commands": "transcripts/smtp/idle-commands.txt",
        "max_refused_recipients": "hostile/test_smtp.py::test_guessing_recipients_ends_the_connection",
        "max_logged_refusals": HERE + "test_the_log_tells_of_some_refusals_and_then_how_many_more",
        "max_auth_failures": "transcripts/smtp/too-many-logins.txt",
        "auth_failure_delay_s": "hostile/test_limits.py::test_who_was_wrong_waits_and_who_is_right_does_not",
        "max_connections": "smtp/test_session_limits.py", "max_connections_per_ip":
            "hostile/test_limits.py::test_one_connection_too_many_is_told_and_the_next_finds_room",
    },
    PipelineSettings: {
        "max_octets": "pipeline/test_dispatch.py::test_a_loop_is_ended_and_too_much_is_refused",
        "max_recipients": "transcripts/smtp/lmtp-limits.txt",
        "max_received": "pipeline/test_dispatch.py::test_a_loop_is_ended_and_too_much_is_refused",
        "remember_s": HERE + "test_half_delivered_messages_are_remembered_for_a_while_and_not_without_end",
        "remember_messages": HERE + "test_half_delivered_messages_are_remembered_for_a_while_and_not_without_end",
        "deadline_s": "pipeline/test_filters.py::test_a_late_filter_is_cancelled_at_its_deadline",
    },
    RouteSettings: {"max_hops": "pipeline/test_route.py::test_aliases_without_end_are_refused",
                    "max_addresses": "pipeline/test_route.py::test_aliases_without_end_are_refused"},
    FilterSettings: {"deadline_s": "pipeline/test_filters.py::test_a_late_filter_is_cancelled_at_its_deadline"},
    SubmissionSettings: {
        "sent_timeout_s": "pipeline/test_submission_sent.py", "max_header_octets": "pipeline/test_submission_transcripts.py",
        "max_authors": "pipeline/test_submission_header.py",
    },
    RateSettings: {
        "messages_per_hour": RATES + "an_account_that_has_sent_enough_is_told_when_to_come_again",
        "messages_per_day": "story/test_submission.py", "recipients_per_hour": RATES + "recipients_are_counted_one_by_one",
        "recipients_per_day": RATES + "recipients_are_counted_one_by_one", "save_s": RATES + "a_restart_is_no_fresh_start",
    },
    RetrySettings: {
        **dict.fromkeys(("first_delay_s", "factor", "max_delay_s"),
                        QUEUE + "schedule.py::test_delays_double_from_five_minutes_to_four_hours"),
        "jitter": QUEUE + "schedule.py::test_jitter_stays_within_its_part",
        "give_up_after_s": QUEUE + "runner.py::test_after_five_days_the_sender_is_told_once_and_the_mail_is_gone",
        "bounce_give_up_after_s": QUEUE + "runner.py::test_a_report_that_no_server_takes_is_given_up_after_two_days",
        **dict.fromkeys(("warn_after_s", "ask_warn_after_s"),
                        QUEUE + "schedule.py::test_delay_is_told_only_to_who_asked_unless_the_operator_says_so"),
        "max_returned_octets": QUEUE + "returned.py::test_a_message_comes_back_whole_up_to_the_limit",
        "deadline_s": QUEUE + "runner.py::test_a_hand_over_without_end_is_given_up_for_now",
        "max_running": QUEUE + "runner.py::test_no_more_than_so_many_run_in_all",
        "max_per_domain": QUEUE + "runner.py::test_no_more_than_so_many_go_to_one_domain_at_once_and_others_pass_by",
        "max_recipients": QUEUE + "runner.py::test_a_message_to_many_goes_in_pieces",
    },
    ProxySettings: {"timeout_s": "proxied/test_factory.py::test_a_header_that_does_not_come_in_time_closes_the_connection"},
    TraceSettings: dict.fromkeys(("max_sessions", "max_lines", "max_line_octets"), "tracing/test_traces.py::test_it_is_bounded"),
    BansSettings: {
        "errors": BOUNDS + "an_address_that_only_errs_is_shut_out_for_a_while",
        "ban_s": BOUNDS + "an_address_that_only_errs_is_shut_out_for_a_while",
        "forgive_s": BOUNDS + "errors_are_forgotten_with_time",
        "remember_addresses": BOUNDS + "a_flood_of_addresses_fills_nothing",
    },
    DnsListsSettings: {
        "refuse_at": DNS + "weights_add_up_and_good_lists_take_away",
        "trust_at": DNS + "who_a_list_speaks_well_of_needs_no_name",
        "timeout_s": DNS + "a_list_that_does_not_answer_counts_nothing_and_the_others_do",
        **dict.fromkeys(("rest_after", "rest_s"), DNS + "a_list_that_stays_silent_is_left_alone_and_then_tried_again"),
        "remember_s": BOUNDS + "a_flood_of_addresses_fills_nothing",
        "remember_addresses": BOUNDS + "a_flood_of_addresses_fills_nothing",
    },
    EarlySettings: {
        "delay_s": BOUNDS + "who_waits_is_greeted_and_need_not_wait_again",
        "remember_s": BOUNDS + "who_waits_is_greeted_and_need_not_wait_again",
        "remember_addresses": BOUNDS + "a_flood_of_addresses_fills_nothing",
    },
    GreylistSettings: {
        "delay_s": GREY + "who_comes_again_in_time_is_let_in_from_then_on",
        "retry_within_s": GREY + "a_retry_that_comes_too_late_begins_anew",
        "keep_s": GREY + "what_has_lapsed_is_swept_away_in_slices",
        "good_after": GREY + "a_network_whose_retries_come_is_not_asked_again",
        "ipv4_prefix": GREY + "a_retry_may_come_from_the_same_network_and_no_other",
        "ipv6_prefix": GREY + "a_retry_may_come_from_the_same_network_and_no_other",
        "most": GREY + "a_flood_of_triplets_fills_no_disk_and_pushes_out_no_friend",
        "timeout_s": GREY + "a_database_that_fails_keeps_no_mail_waiting",
        "fresh_s": GREY + "what_comes_often_is_not_read_again", "fresh": GREY + "what_comes_often_is_not_read_again",
    },
    HelloSettings: {"timeout_s": DNS + "a_name_that_dns_is_slow_about_passes_in_time"},
    RatesSettings: {
        "period_s": BOUNDS + "connections_beyond_the_rate_are_told_to_come_later_and_do",
        "connections": BOUNDS + "connections_beyond_the_rate_are_told_to_come_later_and_do",
        "messages": BOUNDS + "messages_beyond_the_rate_get_451_and_the_session_goes_on",
        "recipients": BOUNDS + "recipients_beyond_the_rate_get_451",
        "network_connections": BOUNDS + "a_network_has_a_limit_of_its_own",
        "network_messages": BOUNDS + "a_network_has_a_limit_of_messages_and_of_recipients",
        "network_recipients": BOUNDS + "a_network_has_a_limit_of_messages_and_of_recipients",
        "at_once": BOUNDS + "connections_at_once_are_counted_until_they_end_however_they_end",
        "ipv4_prefix": BOUNDS + "a_network_has_a_limit_of_its_own",
        "ipv6_prefix": BOUNDS + "a_customer_with_his_own_ipv6_network_is_one_address",
        "remember_addresses": BOUNDS + "a_flood_of_addresses_fills_nothing",
    },
    RecipientsSettings: {
        "per_message": BOUNDS + "a_message_has_its_most_recipients",
        "per_connection": BOUNDS + "a_connection_has_its_most_recipients_over_all_messages",
        "per_hour": BOUNDS + "an_address_has_its_most_recipients_in_an_hour",
        "remember_addresses": BOUNDS + "a_flood_of_addresses_fills_nothing",
    },
    ReverseSettings: {
        "timeout_s": DNS + "dns_that_is_silent_names_nobody_and_is_soon_given_up",
        "max_names": DNS + "of_many_names_only_some_are_followed", "remember_s": DNS + "a_name_that_leads_back_is_the_clients_name",
    },
    SenderSettings: {
        "timeout_s": DNS + "dns_that_cannot_say_is_held_against_nobody_unless_it_is_wanted",
        "remember_s": DNS + "a_domain_that_was_asked_about_is_known_for_a_while",
    },
    TarpitSettings: dict.fromkeys(
        ("free", "first_s", "factor", "most_s"), BOUNDS + "mistakes_are_answered_later_and_later_and_others_do_not_wait"),
}


#: The same of limits that are not set: constants of the modules that read what comes from outside.
CONSTANTS = {
    "smtp/framer.py COMMAND_LIMIT": "hostile/test_smtp.py::test_the_longest_line_and_one_octet_more",
    "smtp/framer.py AUTH_LIMIT": "hostile/test_smtp.py::test_the_longest_line_and_one_octet_more",
    "smtp/extensions/chunking.py _DIGITS": HERE + "test_the_most_digits_of_a_chunks_size",
    "smtp/extensions/limits.py _MOST": "transcripts/smtp/rfc9422-digits.txt",
    "smtp/reply.py _MAX_TEXT": HERE + "test_no_line_of_a_reply_is_longer_than_a_client_must_take",
    "smtp/syntax.py _MAX_HELLO": HERE + "test_the_longest_name_in_ehlo",
    "smtp/wire.py _MUCH": "hostile/test_smtp.py::test_who_never_reads_is_held_back",
    "smtp/wire.py _BURST": "smtp/test_model.py::settle",
    "smtp/attributes.py MAX_VALUE": "smtp/test_attributes.py::test_what_cannot_be_read_is_refused",
    "proxied/header.py MAX_TEXT": HERE + "test_the_longest_line_of_a_proxy",
    "proxied/header.py MAX_BINARY": HERE + "test_the_longest_binary_header_of_a_proxy",
    "pacing/events.py MOST": "pacing/test_events.py::test_some_in_each_turn_and_everybody_soon",
}
#: Numbers that bound nothing which a client does.
_NO_LIMITS = {
    "smtp/session.py _GOODBYE_S", "smtp/transaction.py _SHOWN", "proxied/header.py _FIXED",
    "proxied/header.py _STREAM", "proxied/header.py _UNIX_OCTETS", "proxied/header.py _CRC32C",
}
_ROOMS = ("smtp", "proxied", "tracing", "filters", "pipeline", "queue")


def _classes_of_settings() -> set[str]:
    """All that are read from a configuration in the rooms through which mail comes in; the client's are relay's."""
    found = set()
    for room in _ROOMS:
        for path in (PACKAGE / room).rglob("*.py"):
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef) and node.name.endswith("Settings") and any(
                    isinstance(each, ast.AnnAssign) and re.match(r"(int|float)\b", ast.unparse(each.annotation))
                    for each in node.body
                ):
                    found.add(node.name)
    return found - {"ClientSettings"}


def _constants() -> set[str]:
    """Numbers at the top of modules that read what strangers say."""
    found = set()
    paths = [path for room in ("smtp", "proxied") for path in (PACKAGE / room).rglob("*.py") if not path.name.startswith("client")]
    for path in (*paths, PACKAGE / "pacing/events.py"):
        for node in ast.parse(path.read_text()).body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name) and node.targets[0].id.isupper() and \
                    isinstance(node.value, ast.Constant) and isinstance(node.value.value, int | float):
                found.add(f"{path.relative_to(PACKAGE)} {node.targets[0].id}")
    return found


def test_no_settings_and_no_constant_is_forgotten() -> None:
    assert _classes_of_settings() == {settings.__name__ for settings in CROSSED}
    assert _constants() == CONSTANTS.keys() | _NO_LIMITS


@pytest.mark.parametrize(("size", "codes"), [(b"0" * 19 + b"4", [b"503"]), (b"0" * 20 + b"4", [b"501", b"421"])])
def test_the_most_digits_of_a_chunks_size(size: bytes, codes: list[bytes]) -> None:
    player = SmtpWorld().connect()
    player.transport.clear()
    player.send(b"BDAT " + size + b"\r\nNOOP")
    assert re.findall(rb"(?m)^(\d+) ", player.transport.value()) == codes
    if not player.transport.lost:
        player.transport.drop(player.protocol)


def test_the_longest_line_of_a_proxy() -> None:
    line = b"PROXY UNKNOWN "
    assert read_header(line + b"x" * (MAX_TEXT - 2 - len(line)) + b"\r\n") is not None
    with pytest.raises(BadHeader):
        read_header(line + b"x" * (MAX_TEXT - 1 - len(line)) + b"\r\n")


@pytest.mark.parametrize("more", [0, 1])
def test_the_longest_binary_header_of_a_proxy(more: int) -> None:
    rest = MAX_BINARY - 16 + more
    header = b"\r\n\r\n\0\r\nQUIT\n\x20\0" + rest.to_bytes(2, "big") + bytes(rest)
    if more:
        with pytest.raises(BadHeader):
            read_header(header)
    else:
        assert read_header(header) is not None


@pytest.mark.parametrize("settings", CROSSED, ids=lambda settings: settings.__name__)
def test_each_number_that_can_be_set_is_in_the_list(settings: Any) -> None:
    numbers = {field.name for field in fields(settings) if re.match(r"(int|float)\b", str(field.type))}
    assert numbers == set(CROSSED[settings])


@pytest.mark.parametrize("where", sorted({where for limits in (*CROSSED.values(), CONSTANTS) for where in limits.values()}))
def test_what_is_in_the_list_is_there(where: str) -> None:
    path, _, name = where.partition("::")
    text = (TESTS / path).read_text()
    assert not name or re.search(rf"def {name}\(", text)


def test_the_log_tells_of_some_refusals_and_then_how_many_more() -> None:
    world = SmtpWorld(max_logged_refusals=2)
    world.reception.obstacles["rcpt nobody@mx.example"] = UnknownRecipient()
    events: list[LogEvent] = []
    globalLogPublisher.addObserver(events.append)
    try:
        player = world.connect()
        for _ in range(2):
            player.send(b"EHLO c\r\nMAIL FROM:<a@far.example>\r\n" + b"RCPT TO:<nobody@mx.example>\r\n" * 5)
            player.send(b"RCPT TO:<bob@mx.example>\r\nDATA\r\n.\r\n")
        player.send(b"MAIL FROM:<>\r\n" + b"RCPT TO:<nobody@mx.example>\r\n" * 3)
        player.transport.drop(player.protocol)
    finally:
        globalLogPublisher.removeObserver(events.append)
    told = [event["untold"] if "untold" in event else event["said"] for event in events if "untold" in event or "said" in event]
    one = "TO:<nobody@mx.example>"
    assert told == [one, one, 3, one, one, 3, one, one, 1]


def test_half_delivered_messages_are_remembered_for_a_while_and_not_without_end() -> None:
    clock = Clock()
    memory = HalfDone(clock, 60.0, 3)
    who = ("bob", "INBOX", "")
    keys = [memory.key(Envelope("id", Address.parse("a@far.example"), Peer("192.0.2.7"), 0.0), size, b"") for size in range(5)]
    for key in keys:
        memory.note(key, [who])  # type: ignore[list-item]
    assert len(memory) == 3 and not memory.done(keys[0]) and memory.done(keys[4])
    clock.advance(61)
    assert not memory.done(keys[4])


@pytest.mark.parametrize(("octets", "code"), [(255, b"250"), (256, b"501 5.5.4")])
def test_the_longest_name_in_ehlo(octets: int, code: bytes) -> None:
    player = SmtpWorld().connect()
    player.transport.clear()
    player.send(b"EHLO " + b"h" * octets + b"\r\n")
    assert player.transport.value().startswith(code)
    player.transport.drop(player.protocol)


def test_no_line_of_a_reply_is_longer_than_a_client_must_take() -> None:
    """RFC 5321 section 4.5.3.1.5: 512 octets, whatever a plugin says."""
    world = SmtpWorld()
    world.reception.obstacles["mail"] = Refusal("word " * 400 + "\r\n250 Ok", smtp=(550, "5.7.1"))
    player = world.connect()
    player.send(b"EHLO c\r\n")
    player.transport.clear()
    player.send(b"MAIL FROM:<>\r\n")
    lines = player.transport.value().split(b"\r\n")[:-1]
    assert all(len(line) + 2 <= 512 and line.startswith(b"550") for line in lines) and lines
    player.transport.drop(player.protocol)
