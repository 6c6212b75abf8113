"""One message on its way into a store: small in memory, large in staged content, scanned as it passes."""
