"""A plugin framework for mail servers on Twisted."""

__version__ = "0.1.0"
