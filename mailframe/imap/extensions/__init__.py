"""Extensions: one RFC, one file, one `EXTENSION`."""
