"""The process that faces users (DESIGN §6; API.md): an HTTP interface over one validator, which it reaches by a local socket.

It never holds the validator's key and keeps nothing that the chain does not have: stopping it loses nothing. What comes from
outside is bounded, parsed with the ledger's own decoders, and answered with one of the documented codes.

    main        run(config): from configuration to a listening server
    server      connections: deadlines and caps before a request is known
    edge        every request: log line, numbers, deadlines for slow readers, errors as problems
    problems    the one table from error code to status
    access      who may read
    app         the routes
    submission  transactions in, receipts out
    rendering   what the ledger holds, as JSON for people
    follow      blocks as server-sent events
    upstream    the connection to the validator, made again whenever it breaks
"""
