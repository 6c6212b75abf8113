"""Built-in mailbox storage."""
