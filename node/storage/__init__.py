"""What a node keeps on disk: blocks, votes, payload, state and keys (DESIGN §4 and §6, CONSENSUS 23-25)."""
