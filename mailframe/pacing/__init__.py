"""How the work of many connections shares one reactor."""
