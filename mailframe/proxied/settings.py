"""What can be set about proxies in front of a listener."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ProxySettings:
    """Who may say for whom it speaks, and how long that may take."""

    trusted: tuple[str, ...]               # networks ("192.0.2.0/24", "unix") that have passed `model.networks.checked_networks`
    timeout_s: float = 10.0                # a proxy says it at once; more than the 3 s after which a lost packet is sent again

    def __post_init__(self) -> None:
        if self.timeout_s <= 0:
            raise ValueError(f"proxy_timeout_s must be greater than 0, not {self.timeout_s!r}")
