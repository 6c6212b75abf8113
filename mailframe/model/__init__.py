"""Frozen values that every floor shares; nothing here does input or output."""
