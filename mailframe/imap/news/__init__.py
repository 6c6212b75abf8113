"""What a session is told that it did not ask for just now."""
