"""Example answers for OpenAPI, as the renderers would give them; a test renders and validates them against the schemas."""

from __future__ import annotations

from typing import Any, Final

ITEM: Final = "https://id.gs1.org/01/09521234000013/21/7"
_HASH: Final = "c1a5298f939e87e8f962a5edfc206918f2b3c7a40d5e6b1a9c8d7e6f50413223"
_OTHER: Final = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
_MOMENT: Final = {"height": 41, "time_ms": 1_700_000_041_000, "time": "2023-11-14T22:14:01.000Z"}
_OUTCOME: Final = {"code": 120, "name": "accepted", "applied": True, "row": 12}
_CHAIN: Final = {"length": 3, "head": _OTHER}
_SUBJECT: Final = {"id": ITEM, "space": "thing"}

FINAL: Final[dict[str, Any]] = {
    "id": _HASH,
    "status": "final",
    **_MOMENT,
    "receipts": [{"place": 0, "refusal": None, "entry": _OTHER, "outcomes": [_OUTCOME]}],
}
SUBMITTED: Final = {
    "transactions": [
        FINAL,
        {
            "id": _OTHER,
            "status": "refused",
            "code": "unknown_key",
            "detail": "expected a registered key, got 5f0c8a7be2d14c90",
        },
    ]
}
ACCEPTED: Final = {"transactions": [{"id": _HASH, "status": "accepted"}]}
RECORD: Final = {
    "subject": _SUBJECT,
    **_MOMENT,
    "record": {
        "status": "live",
        "origin": "attested",
        "maker": "maker",
        "custodian": "carrier",
        "former": ["maker"],
        "links": _CHAIN,
        "asides": {"length": 0, "head": "0" * 64},
    },
}
HISTORY: Final = {
    "subject": _SUBJECT,
    "aside": False,
    "links": [
        {
            "position": 3,
            "outcome": _OUTCOME,
            "custodian": "carrier",
            "entry": {
                "hash": _OTHER,
                "sequence": 118,
                **_MOMENT,
                "transaction": _HASH,
                "place": 0,
                "organisation": "carrier",
                "public_key": _HASH,
            },
            "event": _OTHER,
            "attested": False,
            "statement": {
                "version": 1,
                "action": "accept",
                "time_ms": 1_700_000_040_000,
                "step": "receiving",
                "source": "https://id.gs1.org/417/9521200000016",
                "place": "https://id.gs1.org/414/9521200000023",
                "openness": "open",
                "time": "2023-11-14T22:14:00.000Z",
            },
            "subjects": 1,
            "named_as": [{"role": "object", "id": ITEM}],
        }
    ],
    "next": None,
}
_HEADER: Final = {
    "hash": _HASH,
    "version": 1,
    "network": _OTHER,
    "epoch": 0,
    "closes_epoch": False,
    **_MOMENT,
    "parent": _OTHER,
    "proposer": 2,
    "transactions_root": _OTHER,
    "batches_hash": _OTHER,
}
_BLOCK_OUTCOME: Final = {
    "hash": _OTHER,
    "header_hash": _HASH,
    "parent_outcome_hash": _OTHER,
    "receipts_root": _OTHER,
    "event_log_root": _OTHER,
    "event_log_size": 119,
    "state_root": _OTHER,
    "registry_root": _OTHER,
    "validators_hash": _OTHER,
    "next_validators_hash": _OTHER,
}
_CERTIFICATE: Final = {
    "engine": 1,
    "kind": "finalise",
    "epoch": 0,
    "view": 43,
    "block": _HASH,
    "outcome": _OTHER,
    "signers": [0, 1, 3],
    "signatures": ["00" * 64] * 3,
}
CHECKPOINT: Final = {"header": _HEADER, "outcome": _BLOCK_OUTCOME, "certificate": _CERTIFICATE}
BLOCK: Final = {**CHECKPOINT, "transactions": [FINAL]}
GENESIS: Final = {
    "network": _OTHER,
    "name": "coffee-corridor",
    "time_ms": 1_700_000_000_000,
    "time": "2023-11-14T22:13:20.000Z",
    "validators": [{"organisation": "maker", "public_key": _HASH}],
    "organisations": [
        {
            "name": "Maker",
            "country": "NL",
            "roles": ["manufacturer"],
            "simulated": False,
            "id": "maker",
            "keys": [{"public_key": _HASH, "use": "sign"}],
        }
    ],
}
STATUS: Final = {
    "network": _OTHER,
    "name": "coffee-corridor",
    "organisation": "maker",
    "phase": "ready",
    **_MOMENT,
    "checkpoint_height": 41,
    "view": 43,
    "leader": "carrier",
    "pending_transactions": 0,
    "pending_bytes": 0,
    "peers": [{"organisation": "carrier", "connected": True}],
    "warnings": [],
}
STREAM: Final = (
    "retry: 1000\n\n"
    'id: 41\nevent: block\ndata: {"height":41,"time_ms":1700000041000,"time":"2023-11-14T22:14:01.000Z",'
    f'"hash":"{_HASH}","outcome":"{_OTHER}","entries":119,"transactions":[{{"id":"{_HASH}","items":1,"refused":0}}]}}\n\n'
    ": still here\n\n"
)
