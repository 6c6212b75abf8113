"""Configuration, plug-ins, building, the service, the command line."""
