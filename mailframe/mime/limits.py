"""How much of a hostile message is understood; beyond each bound its text is kept and served, but not parsed."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class MimeLimits:
    """Bounds of one pass over a message. All work is linear; these bound what one message may cost and store."""

    depth: int = 100               # open multiparts and messages; real mail stays below 15, clients recurse
    parts: int = 1_000             # each is rendered into every BODYSTRUCTURE; real mail stays below 200
    header_octets: int = 262_144   # of one header block; a To of some 5,000 addresses still fits
    header_fields: int = 2_000     # of one header block; the longest seen in the wild have about 200
    parameters: int = 200          # of one Content-Type or Content-Disposition, RFC 2231 pieces counted singly
    addresses: int = 5_000         # of one address list
    address_tokens: int = 10_000   # of one list's addresses that are written in a rare way; takes some 10 ms
    boundary_octets: int = 500     # RFC 2046 section 5.1.1 allows 70
    delimiter_octets: int = 1_000  # of one delimiter line with its padding; RFC 5322 section 2.1.1 allows 998
    held_octets: int = 65_536      # of a message before searching begins; most are shorter and looked at once


LIMITS = MimeLimits()
