"""How nodes and processes talk: frames over mutual TLS 1.3 between validators, over a Unix socket within a node."""
