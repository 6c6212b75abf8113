"""Handing mail to the next host: MX choice, connections, the agent."""
