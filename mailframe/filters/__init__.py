"""The guards: built-in filters that keep strangers within bounds."""
