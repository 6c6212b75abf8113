"""Moving mail in and out: Maildir, mbox and IMAP servers into any store, and any store into Maildir and mbox."""
