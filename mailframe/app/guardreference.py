"""What docs/configuration.md says of the guards as a whole: which are on for whom, made from their settings."""

from __future__ import annotations

import dataclasses

from mailframe.filters.guards import NAMES, GuardsSettings
from mailframe.filters.scope import ROLES, Scope

#: Settings that each guard has, told once. Which roles it is on for is told of each.
COMMON = tuple(item.name for item in dataclasses.fields(Scope) if item.name != "roles")


def by_role() -> str:
    """A table of all guards, in the order in which they are asked."""
    defaults = GuardsSettings()
    rows = ["| guard | " + " | ".join(f"`{role}`" for role in ROLES) + " |", "|---|" + "---|" * len(ROLES)]
    for name in NAMES:
        own: Scope = getattr(defaults, name)
        words = "on, without lists" if name == "dnsbl" else "on"
        rows.append(f"| `{name}` | " + " | ".join(words if role in own.roles else "off" for role in ROLES) + " |")
    return "\n".join([
        "Which of them are on by default, for which role of a listener, in the order in which they are asked. `roles` in a guard's "
        "table changes it; none ever looks at a client on this machine, unless its `loopback` is true:", "", *rows])
