"""The demonstration's story, played on a ledger in memory."""
