"""The EPCIS 2.0 interface of the gateway, at `/epcis` (EPCIS.md; GS1 EPCIS 2.0 §12, its OpenAPI document).

Existing software points at it as at any repository. Behind it is the ledger: what is captured is signed with the gateway's
capture key and final before a job says so; what is answered carries the checkpoint it is valid at, and leads to proofs.

    service     what its routes share: index, local store, capture key; its lifecycle
    store       what cannot be made again from the chain: jobs, named queries, subscriptions
    access      who may capture
"""
