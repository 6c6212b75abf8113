"""The charsets that SEARCH, SORT and THREAD take their strings in (RFC 3501 section 6.4.4)."""

from __future__ import annotations

from mailframe.mime import charset as mime_charset

#: What BADCHARSET tells: the names that mail goes by. Every other charset that mail may be in is taken as well.
SHOWN = (
    b"US-ASCII UTF-8 ISO-8859-1 ISO-8859-2 ISO-8859-3 ISO-8859-4 ISO-8859-5 ISO-8859-6 ISO-8859-7 ISO-8859-8 ISO-8859-9 ISO-8859-10"
    b" ISO-8859-13 ISO-8859-14 ISO-8859-15 ISO-8859-16 WINDOWS-1250 WINDOWS-1251 WINDOWS-1252 WINDOWS-1253 WINDOWS-1254"
    b" WINDOWS-1255 WINDOWS-1256 WINDOWS-1257 WINDOWS-1258 KOI8-R KOI8-U ISO-2022-JP SHIFT_JIS EUC-JP GB2312 GBK GB18030 BIG5"
    b" ISO-2022-KR EUC-KR TIS-620 UTF-7"
)
_WIDE = (b"UTF-16", b"UTF16", b"UTF_16", b"UTF-32", b"UTF32", b"UTF_32", b"U16", b"U32")     # an IMAP string holds no NUL


def is_known(name: bytes) -> bool:
    """`name` in upper case."""
    return not name.startswith(_WIDE) and mime_charset.is_known(name)


def meant(name: bytes) -> bytes:
    """In which charset the strings are read: some clients say US-ASCII and send UTF-8."""
    return b"UTF-8" if name in (b"US-ASCII", b"ASCII") else name
