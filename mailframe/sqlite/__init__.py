"""The one SQLite engine room: a group-committing writer, bounded reads, migrations, and message content."""
