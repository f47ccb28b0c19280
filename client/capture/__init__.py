"""A file of any number of EPCIS events to the ledger: read in pieces, many transactions under way, resumed where it stopped.

    document   the file's events as verbatim slices, a few at a time, and what frames them
    journal    what was signed and what became of it, beside the file: all that a resumed capture needs
    making     a stretch of events -> the same signed transactions whenever it is made again
    order      which transactions may be under way together
    running    puts these together with `client.parallel`

Memory holds what is under way and nothing else, however long the file is.
"""
