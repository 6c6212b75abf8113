"""Proxies in front of a listener: the PROXY protocol, by which they say who is behind them."""
