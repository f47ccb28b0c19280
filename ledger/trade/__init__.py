"""What an event does to custody: identifiers, the extract of an EPCIS event, and the custody rules (RULES.md)."""
