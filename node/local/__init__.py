"""Between the two processes of a node: the gateway asks, the validator answers, over a Unix socket (DESIGN §6)."""
