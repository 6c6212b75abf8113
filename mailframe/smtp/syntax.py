"""The grammar of paths and parameters (RFC 5321 section 4.1.2, RFC 6531 section 3.3, RFC 3461 section 4)."""

from __future__ import annotations

import re
from datetime import datetime

from mailframe.model.address import Address
from mailframe.model.refusal import Refusal


class SyntaxFault(Refusal):
    """What was said cannot be read; such commands are counted (`SmtpSettings.max_errors`)."""

    public, smtp = "Syntax error", (501, "5.5.4")


class BadSenderAddress(SyntaxFault):
    public, smtp = "Bad sender address syntax", (501, "5.1.7")


class BadRecipientAddress(SyntaxFault):
    public, smtp = "Bad recipient address syntax", (501, "5.1.3")


class NeedsSmtpUtf8(Refusal):
    """RFC 6531 section 3.5, which has 550 for a sender and 553 for a recipient."""

    public, smtp = "Address needs SMTPUTF8", (553, "5.6.7")


# A source route is read and ignored (RFC 5321 appendix C); possessive, so that no input makes it slow.
_PATH = re.compile(r' *<(?:@[^<>:"@,\s]++(?:,@[^<>:"@,\s]++)*+:)?((?:"(?:[^"\\]|\\.)*+"|[^"<>\s])*+)>(?: +(.*))?', re.DOTALL)
_PARAMETER = re.compile(r"([A-Za-z0-9][A-Za-z0-9-]*)(?:=([!-<>-~\u0080-\U0010ffff]+))?")
_XTEXT = re.compile(r"(?:[!-*,-<>-~\u0080-\U0010ffff]|\+[0-9A-F]{2})*")
_HEX = re.compile(r"\+([0-9A-F]{2})")
_UNITEXT = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
_NOT_HELLO = re.compile(r'[^!#-\'*-;=?-\[\]-~]')   # unprintable or one of " ( ) < > \: it is shown in logs and headers
_TIMESTAMP = re.compile(r"(\d{4}-\d\d-\d\d[Tt]\d\d:\d\d):(\d\d(?:\.\d{1,9})?)([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_MAX_HELLO = 255

Parameters = list[tuple[str, str | None]]


def split_path(args: bytes, keyword: bytes, fault: type[SyntaxFault]) -> tuple[str, Parameters]:
    """``FROM:<path> KEY=value KEY`` -> (what stands in the brackets without a source route, [(KEY, value)]).

    `keyword` is ``FROM:`` or ``TO:``. Raises `fault` for the path, SyntaxFault for the rest.
    """
    size = len(keyword)
    if args[:size].upper() != keyword:
        raise SyntaxFault(f"Syntax: {keyword.decode()}<address>")
    try:
        text = args[size:].decode("utf-8")
    except UnicodeDecodeError:
        raise fault("Address is not valid UTF-8") from None
    match = _PATH.fullmatch(text)
    if match is None:
        raise fault
    path, rest = match.groups()
    return path, split_parameters(rest) if rest else []


def split_parameters(text: str) -> Parameters:
    """``KEY=value KEY`` -> [(KEY in upper case, value or None)]; each key once. Raises SyntaxFault."""
    parameters: Parameters = []
    seen = set()
    for word in text.split():
        match = _PARAMETER.fullmatch(word)
        if match is None:
            raise SyntaxFault("Bad parameter syntax")
        key = match[1].upper()
        if key in seen:
            raise SyntaxFault(f"Parameter {key} is given twice")
        seen.add(key)
        parameters.append((key, match[2]))
    return parameters


def with_domain(path: str, domain: str) -> str:
    """`path` as an address at `domain` ("": as it is) where it is a bare local part (RFC 6409 section 4.2); a bare
    postmaster has its own meaning."""
    bare = path.endswith('"') or "@" not in path
    return f"{path}@{domain}" if domain and path and bare and path.lower() != "postmaster" else path


def parse_address(path: str, fault: type[SyntaxFault], *, smtputf8: bool) -> Address:
    """The address of a path. Raises `fault`, or NeedsSmtpUtf8."""
    if not smtputf8 and not path.isascii():
        raise NeedsSmtpUtf8(smtp=(550, "5.6.7")) if fault is BadSenderAddress else NeedsSmtpUtf8
    if not path.isprintable():         # it goes into headers and logs, where U+0085 and U+2028 would end a line
        raise fault
    try:
        return Address.parse(path)
    except ValueError as error:
        raise fault(detail=str(error)) from None


def parse_sender(path: str, *, smtputf8: bool) -> Address | None:
    """None for the null reverse-path. A sender has a domain, else nobody could answer."""
    if not path:
        return None
    address = parse_address(path, BadSenderAddress, smtputf8=smtputf8)
    if not address.domain:
        raise BadSenderAddress("Sender address needs a domain")
    return address


def parse_hello(args: bytes) -> str:
    """The name after HELO or EHLO, with "?" for what is in no host's name; what follows it is ignored. Raises SyntaxFault.

    A strange name is no reason to refuse (RFC 5321 section 4.1.4): machines are called by their owners' taste.
    """
    try:
        name = args.split(b" ", 1)[0].decode("utf-8")
    except UnicodeDecodeError:
        name = ""
    if not 0 < len(name) <= _MAX_HELLO or _CONTROL.search(args):
        raise SyntaxFault("Say your host name")
    return _NOT_HELLO.sub("?", name)


def decode_xtext(text: str) -> str:
    """``xtext`` (RFC 3461 section 4). Raises SyntaxFault, also for control characters, which no header may get."""
    if not _XTEXT.fullmatch(text):
        raise SyntaxFault("Bad xtext")
    return printable(_HEX.sub(lambda match: chr(int(match[1], 16)), text))


def decode_unitext(text: str) -> str:
    r"""``utf-8-addr-unitext`` and ``-xtext`` (RFC 6533 section 3): ``\x{HEX}`` beside UTF-8. Raises SyntaxFault."""
    try:
        return printable(_UNITEXT.sub(lambda match: chr(int(match[1], 16)), text))
    except ValueError:
        raise SyntaxFault("Bad utf-8 address") from None


def timestamp(text: str | None) -> float:
    """A date-time of RFC 3339 section 5.6, in seconds since the epoch. Raises ValueError, also where there is none."""
    match = _TIMESTAMP.fullmatch(text or "")
    if match is None:
        raise ValueError("no date-time")
    minute, seconds, zone = match.groups()
    if float(seconds) >= 61:                # 60 is a leap second
        raise ValueError("no such second")
    try:
        return datetime.fromisoformat(f"{minute}:00{zone}".upper()).timestamp() + float(seconds)
    except OverflowError:
        raise ValueError("beyond all times") from None


def printable(text: str) -> str:
    """`text`, if each character can be shown. Raises SyntaxFault."""
    if not text.isprintable():
        raise SyntaxFault("Control characters are not allowed")
    return text
