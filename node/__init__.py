"""A running member of the network: the only package with sockets, disk and time.

It drives the pure state machines of `ledger` and persists what they decide before anything is promised to anyone.
"""
