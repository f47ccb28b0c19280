"""What scanners and readers deliver -> a subject of the ledger, and what may be recorded of it next."""
