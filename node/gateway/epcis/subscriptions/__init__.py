"""Standing queries: what a named query finds is brought to whoever asked for it, as it comes or by a schedule (EPCIS.md
"Subscriptions"; EPCIS 2.0 §8.2.5, §12).

    schedule   when a standing query runs
    feed       the one engine: a position in the event log, and deliveries cut from (position, now]
    asked      what a subscriber asks for, read and told
    stored     webhooks and how far they are, on disk
    outbound   requests to addresses that a client chose
    webhooks   deliveries by POST: signed, repeated until taken, given up visibly
    streams    deliveries by WebSocket and server-sent events
    routes     the interface
"""
