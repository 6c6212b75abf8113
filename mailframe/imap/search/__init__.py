"""What SEARCH, SORT and THREAD look for, how it is found, and how it is told."""
