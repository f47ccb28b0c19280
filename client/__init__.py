"""What a member or an officer holds: keys, signing, submitting, following, and verifying a bundle offline.

The verify path stands on `ledger` alone. It needs no network, no HTTP library and no consensus code.
"""
