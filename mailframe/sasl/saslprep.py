"""SASLprep (RFC 4013): names that look alike become the same octets, and what no name may hold is refused."""

from __future__ import annotations

import stringprep
import unicodedata

_PROHIBITED = (         # RFC 4013 section 2.3
    stringprep.in_table_c12, stringprep.in_table_c21_c22, stringprep.in_table_c3, stringprep.in_table_c4, stringprep.in_table_c5,
    stringprep.in_table_c6, stringprep.in_table_c7, stringprep.in_table_c8, stringprep.in_table_c9,
)


def saslprep(text: str) -> str:
    """`text` prepared as a query (characters younger than Unicode 3.2 may be in names). Raises ValueError."""
    mapped = "".join(" " if stringprep.in_table_c12(each) else each for each in text if not stringprep.in_table_b1(each))
    prepared = unicodedata.ucd_3_2_0.normalize("NFKC", mapped)
    for each in prepared:
        if any(forbidden(each) for forbidden in _PROHIBITED):
            raise ValueError("a character that no name may hold")
    if any(map(stringprep.in_table_d1, prepared)):      # RFC 3454 section 6: right to left from end to end
        ends = stringprep.in_table_d1(prepared[0]) and stringprep.in_table_d1(prepared[-1])
        if not ends or any(map(stringprep.in_table_d2, prepared)):
            raise ValueError("letters of both directions")
    return prepared
