"""The base protocol: one file for each command or closely kin ones, each with its `EXTENSION`."""
