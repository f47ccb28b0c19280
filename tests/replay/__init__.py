"""The same chain under other hash seeds, locales, optimisation and interpreters."""
