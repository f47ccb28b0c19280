"""Who may do what: organisations, keys by use, grants, jurisdictions (DESIGN §4 Registry; PROTOCOL.md §6)."""
