"""Fuzzing on demand, with atheris: ``cd tests; python -m fuzz message`` or ``command``."""
