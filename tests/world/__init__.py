"""A whole ledger in memory for tests: organisations, keys, a chain whose quorum signs at once."""
