"""A second, naive account of custody, written from the rules alone, to hold the real one against."""
