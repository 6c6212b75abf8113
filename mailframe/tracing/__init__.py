"""Whole sessions in the log, when somebody wants to see them."""
