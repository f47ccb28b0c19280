"""Counted proxies of speed: how often the expensive primitives run, asserted exactly, without a clock.

A number here is what the code does, with its reason beside it. Whoever makes it smaller changes the line; a test that fails
because a number grew has found something that every event pays for.
"""
