"""Built-in authentication and directories."""
