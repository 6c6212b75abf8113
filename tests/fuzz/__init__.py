"""Fuzzing on demand, with atheris: ``cd tests; python -m fuzz message``, ``command`` or ``smtp``."""
