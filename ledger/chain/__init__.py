"""The chain itself: validators, blocks, votes, certificates, evidence, transactions and genesis.

Quorum arithmetic is in `validators` and nowhere else. What is checked here is checked offline, by anyone.
"""
