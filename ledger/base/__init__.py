"""The alphabet everything else is written in: encoding, hashing, keys, trees, limits and errors."""
