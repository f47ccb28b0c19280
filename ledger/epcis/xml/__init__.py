"""EPCIS in XML: one grammar, which a reader and a writer follow (EPCIS.md §2; EPCIS 2.0 §9)."""
