"""Histories to prove, and forgeries of the bundles that prove them."""
