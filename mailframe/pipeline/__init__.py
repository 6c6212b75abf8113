"""What happens to a message between SMTP and its stores."""
