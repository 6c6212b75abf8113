"""Mailboxes shared between the accounts of any store: grants on the server's engine, and others' mailboxes behind a guard."""
