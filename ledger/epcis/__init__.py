"""EPCIS 2.0 documents as people exchange them: their forms, their words, their rules and their hashes (EPCIS.md).

Nothing that consensus or the offline verifier judges by stands here: what an organisation signs are the bytes of an
event, and what the ledger takes from them is the extract (`ledger.trade.extract`).
"""
