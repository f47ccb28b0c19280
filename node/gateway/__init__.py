"""The process that faces users (DESIGN §6; API.md): an HTTP interface over one validator, which it reaches by a local socket.

It never holds the validator's key and keeps nothing that the chain does not have: stopping it loses nothing. What comes from
outside is bounded, parsed with the ledger's own decoders, and answered with one of the documented codes.

    run         from a node's folder to a listening server
    server      connections: deadlines and caps before a request is known
    edge        every request: log line, numbers, errors as problems
    problems    the one table from error code to status
    access      who may read
    app         the application; routes/ by what they are about
    service     what the routes share: the validator, asked with deadlines and within caps
    submission  transactions in, receipts out
    follow      final blocks as server-sent events
    rendering   what the ledger holds, as JSON for people
    answers     long answers in pieces; msgpack or JSON as asked
    contract    what OpenAPI says of all this; examples; reference shows it as a page
"""
