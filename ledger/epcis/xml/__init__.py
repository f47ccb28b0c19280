"""EPCIS in XML: one grammar, which a reader and a writer follow (EPCIS.md, Forms; EPCIS 2.0 §9)."""
