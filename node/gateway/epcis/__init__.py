"""The EPCIS 2.0 interface of the gateway, at `/epcis` (EPCIS.md; GS1 EPCIS 2.0 §12, its OpenAPI document).

Existing software points at it as at any repository. Behind it is the ledger: what is captured is signed with the gateway's
capture key and final before a job says so; what is answered carries the checkpoint it is valid at, and leads to proofs.

    service     what its routes share: index, local store, capture key; its lifecycle
    store       what cannot be made again from the chain: jobs, named queries, subscriptions
    access      who may capture
    capture     its routes; taking: from a request to a job; preparing: parse, check, extract, sign
    jobs        captures under way, durable by job_store, told by job_answers
    resources   the reading paths, with queries and named; reading, answers, documents: what they answer
    problems    EPCIS's exceptions; negotiation: versions and formats; paging; contract: OpenAPI
    subscriptions   standing queries: webhooks, streams
"""
