"""Octets in a named character set to text, whatever the name and whatever the octets."""

from __future__ import annotations

from encodings.aliases import aliases

# Only names from this table reach Python's codec search, which tries an import for each new name and remembers every one.
_KNOWN = (frozenset(aliases) | frozenset(aliases.values()) | {
    "koi8_u", "koi8_t", "cp720", "cp737", "cp856", "cp874", "cp875", "cp1006", "utf_8_sig", "mac_croatian", "mac_farsi",
}) - {
    "punycode", "idna",                     # quadratic, and no character sets of messages
    "unicode_escape", "raw_unicode_escape", "unicodeescape", "rawunicodeescape", "undefined",
}
_MEANT = {                                  # names in use that Python does not know, and sets whose superset is meant
    "x_sjis": "cp932", "shift_jis": "cp932", "windows_31j": "cp932", "gb2312": "gb18030", "gbk": "gb18030", "x_gbk": "gb18030",
    "gb_2312_80": "gb18030", "ks_c_5601_1987": "cp949", "euc_kr": "cp949", "iso_8859_1": "cp1252", "latin1": "cp1252",
    "iso8859_1": "cp1252", "iso_8859_8_i": "iso8859_8", "iso_8859_8_e": "iso8859_8", "windows_874": "cp874",
    "x_mac_roman": "mac_roman",
    "unicode_1_1_utf_7": "utf_7", "x_euc_jp": "euc_jp", "cp_850": "cp850", "x_windows_949": "cp949",
}
_UTF8 = frozenset({"utf_8", "utf8", "utf_8_mb4", "utf8mb4", "unicode_1_1_utf_8"})
_ASCII_AND_MORE = frozenset({"iso_8859_1", "iso_8859_2", "iso_8859_15", "windows_1250", "windows_1251", "windows_1252", "koi8_r"})
_PLAIN = frozenset({"", "us_ascii", "ascii", "unknown_8bit", "x_unknown", "8bit", "7bit", "binary", "default"})


def guess(octets: bytes) -> str:
    """Text of octets that do not say what they are: UTF-8 if they can be, else Latin-1 (as Windows has it)."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("cp1252", "replace") if not _undefined(octets) else octets.decode("latin-1")


def _named(charset: bytes | str) -> str:
    name = charset if isinstance(charset, str) else charset.decode("latin-1")
    return name.strip(" \t\r\n\"'").lower().replace("-", "_").replace(" ", "_")[:40]


def is_known(charset: bytes | str) -> bool:
    """Whether `decode` knows this character set by its name."""
    name = _named(charset)
    if name in _UTF8 or name in ("us_ascii", "ascii"):
        return True
    name = _MEANT.get(name, name)
    if name not in _KNOWN:
        return False
    try:
        b"a".decode(name, "replace")
    except (LookupError, ValueError):       # between octets and octets, or not of this system
        return False
    return True


def decode(octets: bytes, charset: bytes | str) -> str:
    """Text of `octets`; never raises. An unknown charset is guessed, octets it cannot mean become U+FFFD."""
    name = _named(charset)
    if name in _UTF8:
        return _utf8(octets)
    if name in _PLAIN:
        return guess(octets)
    name = _MEANT.get(name, name)
    if name not in _KNOWN:
        return guess(octets)
    try:
        return octets.decode(name, "replace")
    except (LookupError, ValueError):       # codecs between octets and octets are no character sets
        return guess(octets)


def beginning(octets: bytes, charset: bytes | str) -> str | None:
    """Text that `decode` of these octets and any others after them begins with; None where those might change it."""
    name = _named(charset)
    if name not in _UTF8:
        return octets.decode() if octets.isascii() and (name in _PLAIN or name in _ASCII_AND_MORE) else None
    try:
        return octets.decode()
    except UnicodeDecodeError:      # perhaps only cut within a character
        return None


def _utf8(octets: bytes) -> str:
    """Octets that are no UTF-8 among others that are: one by one as Latin-1, so that the rest keeps its meaning."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("utf-8", "surrogateescape").translate(_STRAY)


_STRAY = {0xDC00 + octet: octet for octet in range(0x80, 0x100)}


def _undefined(octets: bytes) -> bool:
    return len(octets) != len(octets.translate(None, b"\x81\x8d\x8f\x90\x9d"))
