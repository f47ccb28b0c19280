"""What the custody ledger is, and what makes it valid.

Everything in here is a pure function of its arguments: no input or output, no clock, no randomness, no threads, no
logging. Two parties that hold the same bytes therefore reach the same state, on any machine, years apart.
"""
