"""i;unicode-casemap (RFC 5051): the form of text in which SEARCH, SORT and THREAD compare (I18NLEVEL=1, RFC 5255 section 4)."""

from __future__ import annotations

import re
from unicodedata import normalize

#: Runs of characters that are looked at one by one. For all others - most letters of Latin, Greek, Cyrillic, Hebrew, Arabic,
#: kana, Hangul and ideographs - upper case and NFKD of a whole string give the same, many times faster.
_ODD = re.compile(
    "[^\0-\xde\xe0-\u0148\u014a-\u01c3\u01cd-\u01ef\u01f4-\u02ff\u0370-\u038f\u0391-\u03af\u03b1-\u0482\u048a-\u052f"
    "\u05d0-\u05ea\u0620-\u064a\u0660-\u066f\u0671-\u06d3\u1e00-\u1e95\u1ea0-\u1eff\u2000-\u20cf\u2100-\u27ff\u3000-\u3029\u3030-\u3098\u309b-\u4dff\u4e00-\u9fff\uac00-\ud7a3"
    "\uff00-\uff9d\uffa0-\ufffd\U0001f000-\U0001faff\U00020000-\U0002f7ff]+")
_KEPT = 16_384          # odd characters whose forms are remembered: some 2 MiB when text of all scripts has come by


class _Forms(dict[int, str]):
    """By code point, what a character becomes: its titlecase, decomposed as far as it goes (RFC 5051 section 2).

    Where the full mapping has several characters, UnicodeData.txt has none, and that is what the RFC speaks of: "\u00df" stays.
    """

    def __missing__(self, code: int) -> str:
        character = chr(code)
        title = character.title()
        form = normalize("NFKD", title if len(title) == 1 else character)
        if len(self) < _KEPT:
            self[code] = form
        return form


_FORMS = _Forms()


def fold(text: str) -> str:
    """`text` such that equality, order of code points and substrings are those of i;unicode-casemap.

    Order of code points is that of their UTF-8. Line ends stay, and none are made; a character becomes the same whatever
    stands beside it, so that a folded whole holds its folded parts.
    """
    if text.isascii():
        return text.upper()
    if "\u00df" in text and "\u1e9e" not in text:       # so frequent in German that it must not cut all into pieces
        return fold(text.replace("\u00df", "\u1e9e")).replace("\u1e9e", "\u00df")
    pieces = []
    at = 0
    for odd in _ODD.finditer(text):
        start, end = odd.span()
        pieces.append(normalize("NFKD", text[at:start].upper()))
        pieces.append(text[start:end].translate(_FORMS))
        at = end
    pieces.append(normalize("NFKD", text[at:].upper()))
    return "".join(pieces)
