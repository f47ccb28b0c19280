"""Valid bytes of every kind that the project reads: what fuzzing starts from. Made by the real code, the same each time."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from client.anchor import anchor_to_bytes
from client.attest import attest
from client.prepare import prepare_document
from client.signing import PreparedFile, sign
from ledger.base.encoding import decode, encode
from ledger.base.errors import Code
from ledger.base.keyfile import Cost, TokenKey, TokenPlace, seal_key, write_unsealed_key
from ledger.base.keys import HybridKey, SigningKey
from ledger.base.message_signature import content_digest
from ledger.base.request_signature import request_fields
from ledger.chain.batch import BatchHead, make_batch
from ledger.chain.closing import Closing
from ledger.chain.evidence import make_evidence
from ledger.chain.transaction import Kind, sign_transaction
from ledger.chain.votes import Kind as ClaimKind
from ledger.consensus.messages import encode_message
from ledger.epcis.message_signature import signature_fields
from ledger.proof.anchor import anchor_from_genesis
from ledger.proof.build import build
from ledger.proof.registry import build_registry_file
from ledger.state.backfill import StoredLink
from ledger.trade.record import SubjectKey
from node.local import protocol as local
from node.storage.segment_format import SegmentHeader, encode_header
from node.storage.snapshots import Part, PartKind
from node.transport.framing import encode_header as frame_header
from node.validator.batches import encode_frame, open_event
from node.validator.sync_wire import (
    Ask,
    AskEntries,
    AskItems,
    AskLinks,
    AskOffer,
    AskPart,
    AskVersions,
    Offer,
    WantedLinks,
    encode_answer,
    encode_ask,
)
from tests.chain.consensus_samples import BLOCK, CHECKPOINT, FINAL, OUTCOME, VALIDATORS, digest, vote
from tests.chain.test_epoch import CHANGE, DRAFT
from tests.client.ledger_files import CONTAINER, DECLARATION, ITEM, PALLET, Ledger, shipped
from tests.consensus.test_messages import MESSAGES
from tests.epcis.xml_samples import DOCUMENTS
from tests.proof.histories import Author, subjects_of
from tests.world.certificates import issued
from tests.world.epochs import ChangingWorld
from tests.world.past import Past
from tests.world.snapshots import Taken
from tests.world.world import World

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "extracts.json").read_text(encoding="ascii")
)
PASSPHRASE = b"correct horse"


class Played(NamedTuple):
    """A played history with everything on it."""

    world: World
    ledger: Ledger
    keys: tuple[SubjectKey, ...]


@cache
def played() -> Played:
    """A shipment in containers with its events' bytes, and a random history of every kind of event beside it."""
    ledger = shipped(Ledger(), held=True)
    return Played(ledger.world, ledger, tuple(subjects_of(ledger.world)))


@cache
def random_world() -> World:
    """A history with every kind of event."""
    return Author(11).run(40)


@cache
def events() -> tuple[bytes, ...]:
    """Events of the extractor's vectors."""
    return tuple(vector["event"].encode("ascii") for vector in VECTORS)


@cache
def contexts() -> tuple[bytes, ...]:
    return tuple(sorted({vector["context"].encode("ascii") for vector in VECTORS}))


@cache
def documents() -> tuple[bytes, ...]:
    """EPCIS documents in each shape that is taken."""
    some = b",".join(event for event in events()[:3] if event[:1] == b"{")
    return (
        b'{"@context":'
        + contexts()[0]
        + b',"type":"EPCISDocument","epcisBody":{"eventList":['
        + some
        + b"]}}",
        b'{"epcisBody":{"queryResults":{"resultsBody":{"eventList":[' + some + b"]}}}}",
        b"[" + some + b"]",
        events()[0],
    )


def xml_documents() -> tuple[bytes, ...]:
    """EPCIS documents and an event in XML, of 2.0 and of 1.2."""
    return DOCUMENTS


@cache
def changed() -> ChangingWorld:
    """Two changes of validators."""
    return ChangingWorld(2)


@cache
def registry_files() -> tuple[bytes, ...]:
    """The registries of a plain ledger, and of one whose validators changed."""
    return build_registry_file(Past(random_world())), build_registry_file(Past(changed()))


@cache
def bundles() -> tuple[bytes, ...]:
    """Proofs of a container, what is in it and its declaration, with bytes; and of things of the random history."""
    ledger, world = played().ledger, random_world()
    keys = subjects_of(world)
    return (
        ledger.bundle(ITEM),
        ledger.bundle(CONTAINER, PALLET, payloads=False),
        ledger.bundle(DECLARATION),
        changed().prove(),
        changed().prove(1),
        *(build(Past(world), [key]) for key in keys[:: max(1, len(keys) // 6)]),
    )


@cache
def transactions() -> tuple[bytes, ...]:
    found = [row.transaction.to_bytes() for row in (*played().world.rows, *random_world().rows[::7])]
    key = SigningKey(digest("somebody"))
    wire = decode(evidence()[0], max_bytes=10_000)
    network = random_world().network
    signed = sign_transaction(
        key, network, "maker", (wire,), nonce=bytes(16), expiry_ms=1, kind=Kind.EVIDENCE
    )
    return (*found, signed.to_bytes())


@cache
def items() -> tuple[bytes, ...]:
    rows = (*played().world.rows, *random_world().rows)
    return tuple(encode(row.changes.item) for row in rows[:24] if row.changes.item is not None)


@cache
def records() -> tuple[bytes, ...]:
    world = random_world()
    return tuple(encode(world.record(key)) for key in subjects_of(world))


@cache
def tombstones() -> tuple[bytes, ...]:
    return (encode((7, bytes(range(32)), 1)),)


@cache
def approval() -> tuple[bytes, ...]:
    return (encode(tuple(bytes([number]) * 32 for number in range(4))),)


def evidence() -> tuple[bytes, ...]:
    first, second = vote(1, FINAL), vote(1, FINAL._replace(outcome=digest("another")))
    made = make_evidence(1, first.claim, first.signature, second.claim, second.signature)
    return (encode(made),)


@cache
def messages() -> tuple[bytes, ...]:
    return tuple(encode_message(message) for message in MESSAGES)


@cache
def key_files() -> tuple[bytes, ...]:
    key = SigningKey(digest("a key"))
    cheap = Cost(passes=1, memory_kib=8)
    sealed = seal_key(key, "sign", PASSPHRASE, salt=bytes(16), nonce=bytes(24), cost=cheap)
    hybrid = HybridKey.from_seed(bytes(64))
    held = TokenKey(key.public_key, TokenPlace("/usr/lib/token.so", "custody", bytes(16)), b"PIN")
    return (
        sealed,
        write_unsealed_key(key, "sign"),
        write_unsealed_key(hybrid, "sign"),
        write_unsealed_key(held, "sign"),
    )


@cache
def genesis() -> tuple[bytes, ...]:
    return (played().world.genesis.to_bytes(), random_world().genesis.to_bytes())


@cache
def anchors() -> tuple[bytes, ...]:
    found = [anchor_from_genesis(world.genesis) for world in (played().world, random_world())]
    found += changed().anchors
    return (*(anchor_to_bytes(anchor) for anchor in found), *genesis())


@cache
def checkpoints() -> tuple[bytes, ...]:
    return (encode(CHECKPOINT), encode(random_world().checkpoints[-1]))


@cache
def client_files() -> tuple[bytes, ...]:
    """Prepared events, some attested, and a signed submission."""
    ledger = played().ledger
    world = ledger.world
    prepared = prepare_document(world.network, documents()[0], random_bytes=lambda size: bytes(range(size)))
    attested = tuple(
        attest(world.devices["maker"], one, "maker", counter=place + 1, time_ms=world.now_ms)
        for place, one in enumerate(prepared)
    )
    submission = sign(
        world.keys["maker"],
        "maker",
        prepared,
        now_ms=world.now_ms,
        random_bytes=lambda size: bytes(range(size)),
    )
    return (
        PreparedFile(world.network, "maker", prepared).to_bytes(),
        PreparedFile(world.network, "maker", attested).to_bytes(),
        submission.to_bytes(),
    )


@cache
def bodies() -> tuple[bytes, ...]:
    """Bodies of POST /v1/transactions."""
    ledger = played().ledger
    found = []
    for row in ledger.world.rows[:6]:
        transaction = row.transaction
        payloads = [ledger.payloads.get(item[3]) for item in transaction.items]
        found.append((transaction.to_bytes(), payloads))
    bare = [
        (one.to_bytes(), [None] * len(one.items))
        for one in (row.transaction for row in random_world().rows[:5])
    ]
    return (encode(found), encode(bare), encode((*found[:2], *bare[:2])))


@cache
def batches() -> tuple[bytes, ...]:
    rows = random_world().rows[:12]
    signed = [row.transaction for row in rows]
    return tuple(
        make_batch(random_world().network, 1, number, part, [one.to_bytes() for one in part]).data
        for number, part in enumerate((signed[:1], signed[:5]), 3)
    )


@cache
def batch_frames() -> tuple[bytes, ...]:
    """Batches with the bytes of their open items."""
    ledger = played().ledger
    signed = [row.transaction for row in ledger.world.rows[:4]]
    network = ledger.world.network
    batch = make_batch(network, 1, 9, signed, [one.to_bytes() for one in signed])
    shown = [ledger.payloads[item[3]] for one in signed for item in one.items]
    return (
        encode_frame(batch.data, [open_event(network, one.salt, one.context, one.event) for one in shown]),
    )


@cache
def frames() -> tuple[bytes, ...]:
    """Streams of frames between processes."""
    stream = b"".join(
        frame_header(kind, len(body)) + body for kind, body in ((1, b"abc"), (2, b""), (1, bytes(70)))
    )
    return (stream, stream[:-3])


@cache
def requests() -> tuple[bytes, ...]:
    """One of every request of the gateway."""
    key, signed = played().keys[0], transactions()[0]
    asked: tuple[local.Request, ...] = (
        local.Submit((local.Submission(signed, (b"{}",), (local.OpenBytes(bytes(16), 0, b"{}", ("maker",)),)),),
                     local.WaitFor.FINAL),
        local.GetTransactions((bytes(32),)), local.Follow(3), local.Follow(3, 50), local.GetBlock(1), local.GetCheckpoint(None),
        local.GetCheckpoint(7), local.GetRecord(key), local.GetHistory(key, aside=True, first=1, most=10),
        local.GetPayloads((bytes(32),)), local.Prove((key,), payloads=True), local.GetGenesis(), local.GetStatus(),
        local.GetMetrics(),
    )  # fmt: skip
    return tuple(local.encode_request(number, request) for number, request in enumerate(asked, 1))


@cache
def statuses() -> tuple[bytes, ...]:
    """Answers about transactions."""
    receipt = local.ItemReceipt(0, "", bytes(32), (100, 200))
    found = (
        local.TransactionStatus(bytes(32), local.State.FINAL, "", "", 4, 1_700_000_000_000, (receipt,)),
        local.TransactionStatus(bytes(32), local.State.REFUSED, "overloaded", "expected less", time_ms=3_000),
    )
    return (encode(found), encode(found[:1]))


@cache
def final_blocks() -> tuple[bytes, ...]:
    certified = CHECKPOINT.certificate
    receipts = local.parse_statuses(decode(statuses()[1], max_bytes=10_000))
    return tuple(
        encode(
            local.FinalBlock(
                BLOCK.header, OUTCOME, certificate, (transactions()[0],), receipts, (BatchHead(1, 2, 1),)
            )
        )
        for certificate in (None, certified)
    )


@cache
def histories() -> tuple[bytes, ...]:
    rows = random_world().rows[:6]
    found = [
        local.HistoryRow(new.position, new.link, row.changes.entry, encode(row.changes.item))
        for row in rows
        for new in row.changes.links
    ]
    return (encode(found),)


@cache
def node_statuses() -> tuple[bytes, ...]:
    peers = (local.PeerStatus("carrier", "127.0.0.1:7102", is_connected=True),)
    status = local.NodeStatus(
        bytes(32), "test", "maker", "ready", 4, 1_700_000_000_000, 4, 9, "carrier", 0, 0, peers, ("a clock is off",),
        77, 1_700_000_000_000, 2, True, 1,
    )  # fmt: skip
    return (encode(status),)


@cache
def payload_answers() -> tuple[bytes, ...]:
    one = local.StoredPayload(bytes(32), bytes(16), b"{}", events()[0], ("maker",))
    return (encode((one, one._replace(context=None, readers=None))),)


def answers() -> tuple[bytes, ...]:
    return (local.encode_answer(3, OUTCOME), local.encode_answer(2**32, None))


def faults() -> tuple[bytes, ...]:
    return (local.encode_fault(3, Code.MALFORMED, "expected something else"),)


def segment_headers() -> tuple[bytes, ...]:
    return (encode_header(SegmentHeader(3, 4096, bytes(32), "blocks", b"saltsalt")),)


def validators() -> tuple[bytes, ...]:
    return (encode(VALIDATORS.members),)


def claims() -> tuple[bytes, ...]:
    return tuple(
        encode(claim)
        for claim in (FINAL, FINAL._replace(kind=ClaimKind.NOTARISE, outcome=None),
                      FINAL._replace(kind=ClaimKind.NULLIFY, outcome=None, block=None))
    )  # fmt: skip


# --- what a node fetches to catch up


@cache
def taken() -> Taken:
    """A snapshot of the random history."""
    return Taken(random_world())


def manifests() -> tuple[bytes, ...]:
    return (taken().manifest.to_bytes(),)


def state_parts() -> tuple[bytes, ...]:
    return tuple(taken().state_parts)


def registry_parts() -> tuple[bytes, ...]:
    return (taken().registry,)


def window_parts() -> tuple[bytes, ...]:
    return tuple(taken().window_parts)


@cache
def subject_links() -> tuple[bytes, ...]:
    """The links of a subject as peers show them, and of a document with legs."""
    legs = ((SubjectKey(0, ITEM), 100), (SubjectKey(0, PALLET), 200))
    shown = (StoredLink(4, 100, "maker", is_move=True), StoredLink(9, 200, None, is_move=False, legs=legs))
    return (encode(shown), encode(shown[:1]))


def owners() -> tuple[bytes, ...]:
    return (encode(SubjectKey(0, ITEM)), encode(None))


def asks() -> tuple[bytes, ...]:
    """What a node that joins asks, one of each."""
    wanted = WantedLinks(bytes(32), (1, 4), (1, 0), (1, 2), has_legs=True)
    each: tuple[Ask, ...] = (
        AskOffer(),
        AskPart(10, Part(PartKind.STATE, 3), 0),
        AskEntries(0, 64),
        AskItems(5, 64),
        AskVersions((bytes(32),)),
        AskLinks((wanted,)),
    )
    return tuple(encode_ask(number, ask) for number, ask in enumerate(each, 1))


def answers_to_asks() -> tuple[bytes, ...]:
    return (encode_answer(1, None), encode_answer(0, Offer(40, (20, 30), 11, has_history=True)))


def offers() -> tuple[bytes, ...]:
    return (encode(Offer(40, (20, 30), 11, has_history=True)), encode(Offer(0, (), 1, has_history=False)))


def slices() -> tuple[bytes, ...]:
    return (encode((2_000_000, bytes(64))), encode((3, b"abc")))


def changes() -> tuple[bytes, ...]:
    """Changes of validators, with approvals and without."""
    return (encode(CHANGE), encode(DRAFT))


def closings() -> tuple[bytes, ...]:
    return (encode(Closing(CHECKPOINT, VALIDATORS.members)), *(encode(one) for one in changed().closings))


# --- what a gateway answers a client


def problems() -> tuple[bytes, ...]:
    document = {
        "type": "urn:custody:malformed",
        "title": "t",
        "status": 400,
        "detail": "expected a thing",
        "code": "malformed",
    }
    return (json.dumps(document).encode(),)


def standings() -> tuple[bytes, ...]:
    receipt = {"place": 0, "refusal": None, "entry": "00" * 32, "outcomes": [{"code": 100, "applied": True}]}
    one = {"id": "ab" * 32, "status": "final", "height": 4, "receipts": [receipt]}
    refused = {"id": "ab" * 32, "status": "refused", "code": "malformed", "detail": "expected"}
    return (json.dumps(one).encode(), json.dumps(refused).encode())


def event_streams() -> tuple[bytes, ...]:
    return (b'id: 4\r\nevent: block\ndata: {"height": 4}\n\n: beat\n\ndata: [1,\ndata: 2]\n\n',)


# --- what an operator writes


def node_settings() -> tuple[bytes, ...]:
    peer = f'[[peers]]\norganisation = "carrier"\naddress = "127.0.0.1:7102"\ntransport_key = "{"ab" * 32}"\n'
    head = (
        'organisation = "maker"\n[validator]\nlisten = "127.0.0.1:7100"\n[gateway]\nlisten = "[::1]:8100"\n'
    )
    return ((head + peer).encode(),)


def client_settings() -> tuple[bytes, ...]:
    return (
        b'gateway = ["http://127.0.0.1:8100"]\norganisation = "maker"\nkey = "~/keys/sign.key"\nanchor = "anchor"\n',
        b'gateway = "http://a:1,http://b:2"\nplace = "https://id.gs1.org/414/9521200000019"\n',
    )


def plans() -> tuple[bytes, ...]:
    head = b'[[organisation]]\nid = "carrier"\nname = "Carrier"\ncountry = "NL"\nroles = ["logistics"]\n'
    lists = (
        b'parties = ["https://id.gs1.org/417/9521234900027"]\nprefixes = ["9529012"]\njurisdiction = ["*"]\n'
    )
    return (head + lists + b"validator = true\n",)


def spellings() -> tuple[bytes, ...]:
    return tuple(
        text.encode()
        for text in (
            ITEM, PALLET, CONTAINER, DECLARATION, "urn:epc:id:sgtin:9521234.000001.7", "urn:epc:class:lgtin:9521234.000001.L",
            "urn:epc:idpat:sgtin:9521234.000001.*", "https://example.org/01/09521234000016/10/L7?17=270101", "mrn:24NL00051234567AK0",
            "urn:custody:seal:NL-4711", "mailto:a@b", "CSQU3054383", "(01)09521234000016(21)7",
        )
    )  # fmt: skip


# --- queries of the EPCIS interface


def url_queries() -> tuple[bytes, ...]:
    return (
        b"eventType=ObjectEvent|AggregationEvent&GE_eventTime=2026-01-01T00:00:00Z&EQ_bizStep=shipping&orderBy=eventTime",
        b"MATCH_anyEPC=urn:epc:idpat:sgtin:9521234.*.*&LT_quantity_KGM=12.5&EXISTS_errorDeclaration=true&maxEventCount=5",
        b"GT_INNER_ILMD_cbvmda:netWeight=-1e3&EQ_source_possessing_party=urn:epc:id:pgln:9521234.00000&EQ_booleanValue=true",
    )


def subscriptions() -> tuple[bytes, ...]:
    return (
        (
            b'{"dest":"https://receiver.example/hook?to=a","signatureToken":"kept","stream":true,'
            b'"initialRecordTime":"2026-04-04T20:33:31.116-06:00"}'
        ),
        (
            b'{"dest":"http://receiver.example:8080/","reportIfEmpty":true,'
            b'"schedule":{"second":"0/15","minute":"[10-20],40","dayOfWeek":"1","dayOfMonth":"31","month":"[1-12]"}}'
        ),
    )


def webhook_fields() -> tuple[bytes, ...]:
    fields = {
        "content-type": "application/json",
        "content-digest": content_digest(b"body"),
        "custody-subscription": "one",
        "custody-delivery": "1",
    }
    signed = signature_fields(
        SigningKey(digest("a gateway")), "POST", "https://receiver.example/", fields, 1_780_000_000
    )
    return ("\n".join(f"{name}: {value}" for name, value in (fields | signed).items()).encode(),)


def request_fields_of_a_member() -> tuple[bytes, ...]:
    key = SigningKey(digest("a member"))
    fields = request_fields(
        key, "POST", "https://gateway.example/", b"body", 1_780_000_000, "0123456789abcdef"
    )
    return ("\n".join(f"{name}: {value}" for name, value in fields.items()).encode(),)


def json_queries() -> tuple[bytes, ...]:
    return (
        b'{"@context":{"ex":"https://example.org/"},"EQ_ex:field":["a",2,true],"GE_value_CEL":-3.5,"orderBy":"ex:field"}',
        b'{"MATCH_epcClass":["urn:epc:class:lgtin:9521234.001010.A"],"WD_bizLocation":["urn:epc:id:sgln:9521234.00001.0"]}',
    )


@cache
def certificates() -> tuple[bytes, ...]:
    """Certificates of keys, made by another library."""
    authority, key = SigningKey(digest("an authority")), SigningKey(digest("a key"))
    return tuple(issued(authority, key, "maker", use=use, now_ms=1_780_000_000_000) for use in (0, 4))
