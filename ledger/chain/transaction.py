"""The signed unit: a transaction of 1 .. 1,000 items (DESIGN §4 Transaction; WIRE.md §4).

    transaction = [header, items, signature]          the signature is over the header's hash
    header      = [version, network, organisation, public key, nonce, expiry_ms, kind, mode, payload root, item count]
    item        = [statement, subjects, subject salt, event hash, context hash | nil, attestation | nil]

The id is the hash of the header, never of the signature. The payload root is the RFC 6962 root over item hashes, so one
item can be shown without the others; an item's subjects are a Merkle tree over salted leaves, so one serial of a
thousand can be shown without the other 999. Salts of leaves derive from the item's subject salt and are disclosed one
by one.

Parsing (`transaction_from_bytes`) judges form only: canonical bytes, caps, the network, the signature under the public
key that the transaction itself carries. Whether that key is registered, current and entitled is execution's business
(CONSENSUS 14), because validity of a block must not depend on state. Items stay undecoded until execution asks:
an ill-formed item is a failed receipt, not an invalid block.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, NamedTuple

import msgpack

from ledger.base import limits, merkle
from ledger.base.encoding import (
    decode,
    encode,
    encoder,
    take_array,
    take_ascii,
    take_bytes,
    take_int,
    take_optional_bytes,
)
from ledger.base.errors import Code, FormError, RuleError, SignatureError
from ledger.base.hashing import HASH_BYTES, Tag, tagged_hash
from ledger.base.keys import (
    PUBLIC_KEY_BYTES,
    SIGNATURE_BYTES,
    Signer,
    is_signature,
    take_public_key,
    take_signature,
)
from ledger.trade.statement import (
    Extract,
    Openness,
    Statement,
    Subject,
    statement_from_wire,
    subject_from_wire,
)

_sha256 = hashlib.sha256
_new: Final[Any] = tuple.__new__  # half the price of a call of the class, for what every event makes

VERSION: Final = 1
SALT_BYTES: Final = 16
NONCE_BYTES: Final = 16
ORGANISATION_BYTES: Final = 32
_HASH_HEAD: Final = b"\xc4\x20"
"""How the encoding of 32 bytes begins."""
_ITEM_HEAD: Final = b"\x96" + _HASH_HEAD
"""Of an array of six that begins with a hash: what an item hash is over."""
_SALTED_HEAD: Final = b"\x92\xc4\x10"
"""Of an array of two that begins with a salt."""
_AHEAD_BYTES: Final = 4_096
"""More than any header takes."""


class Kind(IntEnum):
    """What a transaction's items are."""

    EVENTS = 0
    MISMATCH = 1  # an event's bytes contradict the extract on the ledger: [item, sequence, salt, context | nil, event]
    EVIDENCE = 2  # two contradictory signed messages of one validator
    EPOCH_CHANGE = (
        3  # the next validators and parameters (`ledger.chain.epoch`), alone in a block that closes its epoch
    )
    GOVERNANCE = 4  # proposals, ballots, withdrawals
    REGISTRATION = 5  # an organisation's own keys, delegates, licences
    ERASURE = 6  # tombstones: bytes of events that are to be erased everywhere
    APPROVAL = 7  # a person approved an act: credential id, thumbprint, hash of the assertion


_KIND_LAST: Final = int(max(Kind))
_EVENTS: Final = int(Kind.EVENTS)

VERSION_OF_KIND: Final[Mapping[int, int]] = {
    Kind.GOVERNANCE: 2,
    Kind.REGISTRATION: 2,
    Kind.ERASURE: 2,
    Kind.APPROVAL: 2,
}
"""From which protocol version on there are transactions of a kind; those that are not named always were."""


class Mode(IntEnum):
    """What one refused item does to the others (EPCIS capture: rollback, proceed)."""

    ALL_OR_NOTHING = 0
    EACH_ON_ITS_OWN = 1


_MODE_LAST: Final = int(max(Mode))


class Attestation(NamedTuple):
    """A device's signature made at capture, perhaps days before the transaction (DESIGN §4 Item).

    Devices have plain keys: what they must be able to do is sign, often and with little power.
    """

    device_key: bytes
    counter: int
    time_ms: int
    signature: bytes


class Header(NamedTuple):
    """What the author signs. Field order is the wire's."""

    version: int
    network: bytes
    organisation: str
    public_key: bytes
    nonce: bytes
    expiry_ms: int
    kind: int
    mode: int
    payload_root: bytes
    item_count: int

    def id(self) -> bytes:
        """The transaction id, 32 bytes."""
        return tagged_hash(Tag.TRANSACTION, self.network, encode(self))


class Item(NamedTuple):
    """One custody event as the chain knows it."""

    statement: Statement
    subjects: tuple[Subject, ...]
    subject_salt: bytes
    event_hash: bytes
    context_hash: bytes | None
    attestation: Attestation | None

    @property
    def extract(self) -> Extract:
        """The extract this item carries."""
        return Extract(self.statement, self.subjects)


# --- hashes


def event_hash(network: bytes, salt: bytes, context: bytes | None, event: bytes) -> bytes:
    """The hash that stands on the ledger for the author's bytes; `salt` is erased together with them."""
    return tagged_hash(Tag.EVENT, network, encode((salt, context, event)))


def context_hash(network: bytes, context: bytes | None) -> bytes | None:
    """The hash of a document's @context slice, nil for the default context."""
    return None if context is None else tagged_hash(Tag.CONTEXT, network, context)


def statement_hash(network: bytes, statement: Any) -> bytes:
    """The hash of a statement."""
    return tagged_hash(Tag.STATEMENT, network, encode(statement))


def leaf_salt(network: bytes, subject_salt: bytes, index: int) -> bytes:
    """The salt (16 bytes) of the subject leaf at `index`; showing it discloses no other leaf's."""
    return tagged_hash(Tag.SUBJECT_SALT, network, encode((subject_salt, index)))[:SALT_BYTES]


def subject_leaf(network: bytes, salt: bytes, subject: Any) -> bytes:
    """The salted leaf of one subject."""
    return tagged_hash(Tag.SUBJECT_LEAF, network, encode((salt, subject)))


def subject_leaves(network: bytes, subject_salt: bytes, subjects: tuple[Any, ...]) -> list[bytes]:
    """All subject leaves of an item, in order: `subject_leaf` under `leaf_salt` of each."""
    salts, leaves = Tag.SUBJECT_SALT + network, Tag.SUBJECT_LEAF + network
    return [
        _sha256(
            leaves + encode((_sha256(salts + encode((subject_salt, index))).digest()[:SALT_BYTES], subject))
        ).digest()
        for index, subject in enumerate(subjects)
    ]


def extract_hash(network: bytes, statement: bytes, subjects_root: bytes, count: int) -> bytes:
    """What a device attests to: statement hash, subjects root and count, so that one subject's proof can check it."""
    return tagged_hash(Tag.EXTRACT, network, encode((statement, subjects_root, count)))


def extract_hash_of(network: bytes, item: Item) -> bytes:
    """The extract hash of a whole item."""
    leaves = subject_leaves(network, item.subject_salt, item.subjects)
    return extract_hash(network, statement_hash(network, item.statement), merkle.root(leaves), len(leaves))


def item_hash_of(
    network: bytes,
    statement: bytes,
    subjects_root: bytes,
    count: int,
    event: bytes,
    context: bytes | None,
    attestation: Attestation | None,
) -> bytes:
    """The item hash from its parts: statement hash, subjects root and count, event and context hash, attestation."""
    return tagged_hash(
        Tag.ITEM, network, encode((statement, subjects_root, count, event, context, attestation))
    )


def item_hash(network: bytes, item: Item | tuple[Any, ...]) -> bytes:
    """The hash of one item, or of a decoded array of an item's outer shape whose parts are not judged yet."""
    statement, subjects, salt, event, context, attestation = item
    return item_hash_of(
        network,
        statement_hash(network, statement),
        merkle.root(subject_leaves(network, salt, subjects)),
        len(subjects),
        event,
        context,
        attestation,
    )


def attestation_message(
    network: bytes,
    organisation: str,
    event: bytes,
    extract: bytes,
    device_key: bytes,
    counter: int,
    time_ms: int,
) -> bytes:
    """What a device signs: it binds the organisation too, or a stranger could burn another's counter."""
    return tagged_hash(
        Tag.ATTESTATION, network, encode((organisation, event, extract, device_key, counter, time_ms))
    )


def is_attested(
    network: bytes, organisation: str, event: bytes, extract: bytes, attestation: Attestation | None
) -> bool:
    """Whether an attestation is a valid signature for this organisation, event and extract hash.

    The standing of the device's key is not judged here.
    """
    if attestation is None:
        return False
    message = attestation_message(
        network,
        organisation,
        event,
        extract,
        attestation.device_key,
        attestation.counter,
        attestation.time_ms,
    )
    return is_signature(attestation.device_key, message, attestation.signature)


# --- wire


def item_from_wire(value: Any) -> Item:
    """An item from a decoded array; FormError (also duplicate_subject) if anything about its form is wrong."""
    fields = take_array(value, "item", 6)
    return _item_with(statement_from_wire(fields[0]), fields)


def _item_with(statement: Statement, fields: tuple[Any, ...]) -> Item:
    """The item of these fields, the first of which was taken apart before."""
    subjects = take_array(fields[1], "subjects", most=limits.SUBJECTS_PER_EVENT)
    if not subjects:
        raise FormError(Code.MALFORMED, "subjects: expected at least one, got none")
    named = tuple([subject_from_wire(subject) for subject in subjects])
    attestation = fields[5]
    item: Item = _new(
        Item,
        (
            statement,
            named,
            take_bytes(fields[2], "subject_salt", SALT_BYTES),
            take_bytes(fields[3], "event_hash", HASH_BYTES),
            take_optional_bytes(fields[4], "context_hash", HASH_BYTES),
            None if attestation is None else attestation_from_wire(attestation),
        ),
    )
    if len(named) > 1 and len({subject.identifier for subject in named}) != len(named):
        raise FormError(Code.DUPLICATE_SUBJECT, "subjects: expected each identifier once, got one twice")
    return item


def _item_if_formed(statement: Statement | None, fields: tuple[Any, ...]) -> Item | None:
    try:
        return None if statement is None else _item_with(statement, fields)
    except FormError:
        return None


def _statement_if_formed(value: Any) -> Statement | None:
    try:
        return statement_from_wire(value)
    except FormError:
        return None


class Events(NamedTuple):
    """What `read_events` reads."""

    hashes: list[bytes]
    items: tuple[Item | None, ...]
    """None where the form is wrong."""
    raw: tuple[tuple[Any, ...], ...]
    """The decoded arrays; those that carry the same statement share one, which is most of their memory."""


def read_events(network: bytes, items: tuple[Any, ...]) -> Events:
    """The hashes of decoded arrays of events, and the events taken apart, in one pass.

    They are those of `item_hash` and `item_from_wire`, of which the encodings are put together here from pieces. Events signed
    together mostly say the same of different subjects: a statement that stood in an item before is neither hashed nor taken apart
    again. FormError as of `payload_leaves`.
    """
    of_statement, of_item = Tag.STATEMENT + network, Tag.ITEM + network + _ITEM_HEAD
    of_salt, of_leaf = Tag.SUBJECT_SALT + network + _SALTED_HEAD, Tag.SUBJECT_LEAF + network + _SALTED_HEAD
    # By encoding: True and 1 are equal, and are not the same.
    read: dict[bytes, tuple[bytes, Statement | None, Any]] = {}
    hashes, events, raw, pack = [], [], [], encoder()
    for item in items:
        statement, subjects, salt, event, context, attestation = fields = take_array(item, "item", 6)
        take_array(subjects, "subjects", most=limits.SUBJECTS_PER_EVENT)
        encoded = pack(statement)
        known = read.get(encoded)
        if known is None:
            known = _sha256(of_statement + encoded).digest(), _statement_if_formed(statement), statement
            read[encoded] = known
        if len(subjects) == 1 and type(salt) is bytes and len(salt) == SALT_BYTES:
            derived = _sha256(of_salt + salt + b"\0").digest()[:SALT_BYTES]
            leaf = _sha256(of_leaf + derived + pack(subjects[0])).digest()
            root = _sha256(b"\0" + leaf).digest()  # of a tree of one leaf
        else:
            root = merkle.root(subject_leaves(network, salt, subjects))
        rest = pack((len(subjects), event, context, attestation))
        hashes.append(_sha256(of_item + known[0] + _HASH_HEAD + root + rest[1:]).digest())
        events.append(_item_if_formed(known[1], fields))
        raw.append((known[2], subjects, salt, event, context, attestation))
    return Events(hashes, tuple(events), tuple(raw))


def attestation_from_wire(value: Any) -> Attestation | None:
    """Nil or an attestation from a decoded array."""
    if value is None:
        return None
    fields = take_array(value, "attestation", 4)
    return Attestation(
        take_bytes(fields[0], "device_key", PUBLIC_KEY_BYTES),
        take_int(fields[1], "counter"),
        take_int(fields[2], "time_ms", -(2**53), 2**53),
        take_bytes(fields[3], "signature", SIGNATURE_BYTES),
    )


def header_from_wire(value: Any) -> Header:
    """A transaction header from a decoded array."""
    fields = take_array(value, "header", len(Header._fields))
    version = take_int(fields[0], "version")
    if version != VERSION:
        raise FormError(Code.UNSUPPORTED_VERSION, f"expected transaction version {VERSION}, got {version}")
    return Header(
        version,
        take_bytes(fields[1], "network", HASH_BYTES),
        take_ascii(fields[2], "organisation", ORGANISATION_BYTES),
        take_public_key(fields[3], "public_key"),
        take_bytes(fields[4], "nonce", NONCE_BYTES),
        take_int(fields[5], "expiry_ms", 0, 2**53),
        take_int(fields[6], "kind", 0, _KIND_LAST),
        take_int(fields[7], "mode", 0, _MODE_LAST),
        take_bytes(fields[8], "payload_root", HASH_BYTES),
        take_int(fields[9], "item_count", 1, limits.ITEMS_PER_TRANSACTION),
    )


def check_expiry(header: Header, time_ms: int) -> None:
    """Raise RuleError expired or expiry_too_far unless a transaction may be ordered at block time `time_ms`."""
    if header.expiry_ms <= time_ms:
        raise RuleError(
            Code.EXPIRED, f"expected an expiry after block time {time_ms}, got {header.expiry_ms}"
        )
    if header.expiry_ms > time_ms + limits.EXPIRY_AHEAD_MS:
        raise RuleError(
            Code.EXPIRY_TOO_FAR,
            f"expected an expiry at most {limits.EXPIRY_AHEAD_MS} ms ahead of {time_ms}, got {header.expiry_ms}",
        )


def check_signed(header: Header, known: bytes, signature: bytes) -> None:
    """Raise SignatureError unless `signature` is the author's over the header, whose id is `known`."""
    if not is_signature(header.public_key, known, signature):
        raise SignatureError(
            Code.BAD_SIGNATURE,
            f"expected a signature by the key that the transaction carries, it does not hold: {known.hex()}",
        )


class Envelope(NamedTuple):
    """A transaction whose items nobody has looked at: who signed how many, and whether they did."""

    header: Header
    items: tuple[Any, ...]
    signature: bytes

    def checked_id(self) -> bytes:
        """The transaction id, 32 bytes; SignatureError unless the author's signature over the header holds."""
        known = self.header.id()
        check_signed(self.header, known, self.signature)
        return known


class Transaction:
    """A transaction whose outer form was checked; `items` are the raw decoded arrays, judged in execution."""

    __slots__ = ("_events", "header", "id", "item_hashes", "items", "signature", "size", "subject_count")

    def __init__(
        self,
        header: Header,
        items: tuple[Any, ...],
        signature: bytes,
        size: int = 0,
        *,
        item_hashes: list[bytes] | None = None,
    ) -> None:
        """`size`: bytes of the encoding, 0 if not known. Raises FormError if the payload root is not that of `items`.

        `item_hashes`: of its maker, who has just made the payload root from them.
        """
        self.header = header
        self.items = items
        self.signature = signature
        self.id = header.id()
        self._events: tuple[Item | None, ...] = ()
        is_of_events = header.kind == _EVENTS
        if item_hashes is None:
            if is_of_events:
                item_hashes, self._events, self.items = read_events(header.network, items)
            else:
                item_hashes = payload_leaves(header.network, header.kind, items)
            if merkle.root(item_hashes) != header.payload_root:
                raise FormError(
                    Code.MALFORMED, "payload root: expected the root over the items that came, got another"
                )
        self.item_hashes = item_hashes
        self.size = size or len(self.to_bytes())
        self.subject_count = sum([len(item[1]) for item in items]) if is_of_events else len(items)
        """How many subjects all items name together."""

    def to_bytes(self) -> bytes:
        """The canonical encoding."""
        return encode((self.header, self.items, self.signature))

    def event(self, place: int) -> Item:
        """The item at `place` of a transaction of events, taken apart once; FormError if its form is wrong.

        Items that carry the same statement share one.
        """
        known = self._events[place] if self._events else None
        return item_from_wire(self.items[place]) if known is None else known

    def check_signature(self) -> None:
        """Raise SignatureError unless the author's signature over the header holds."""
        check_signed(self.header, self.id, self.signature)


def transaction_from_bytes(data: bytes, network: bytes) -> Transaction:
    """Parse and check form, network and caps; the signature is checked apart (`check_signature`)."""
    return transaction_from_wire(decode(data, max_bytes=limits.TRANSACTION_BYTES), network, len(data))


def header_ahead(data: bytes) -> Header | None:
    """The header at the front of a transaction's bytes, None where there is none of the right form.

    It costs the same however long the transaction is. Nothing is checked of what it says: it may be believed in order to
    refuse, never in order to take.
    """
    unpacker = msgpack.Unpacker(
        use_list=False,
        raw=False,
        strict_map_key=True,
        max_map_len=0,
        max_ext_len=0,
        max_buffer_size=_AHEAD_BYTES,
    )
    unpacker.feed(data[:_AHEAD_BYTES])
    try:
        unpacker.read_array_header()
        return header_from_wire(unpacker.unpack())
    except Exception:  # noqa: BLE001 - the C decoder raises half a dozen unrelated classes on bad input
        return None


def envelope_from_wire(value: Any, network: bytes) -> Envelope:
    """A transaction's header, as many items as it says, and its signature, from a decoded array."""
    header_fields, items, signature = take_array(value, "transaction", 3)
    header = header_from_wire(header_fields)
    if header.network != network:
        raise SignatureError(
            Code.WRONG_NETWORK,
            f"expected a transaction of network {network.hex()[:16]}, got one of {header.network.hex()[:16]}",
        )
    items = take_array(items, "items", header.item_count)
    return Envelope(header, items, take_signature(signature, "signature"))


def transaction_from_wire(value: Any, network: bytes, size: int = 0) -> Transaction:
    """A transaction from a decoded array; `size` as in `Transaction`."""
    envelope = envelope_from_wire(value, network)
    if envelope.header.kind == Kind.EVENTS:
        _check_subject_count(envelope.items)
    return Transaction(*envelope, size)


def _check_subject_count(items: tuple[Any, ...]) -> None:
    """Raise FormError too_large for more subjects than a transaction may name: counted before any is hashed."""
    count = 0
    for item in items:
        count += len(take_array(take_array(item, "item", 6)[1], "subjects", most=limits.SUBJECTS_PER_EVENT))
    if count > limits.SUBJECTS_PER_TRANSACTION:
        raise FormError(
            Code.TOO_LARGE,
            f"expected at most {limits.SUBJECTS_PER_TRANSACTION} subjects in a transaction, got {count}",
        )


def payload_leaves(network: bytes, kind: int, items: tuple[Any, ...]) -> list[bytes]:
    """The leaf hashes of all items: item hashes; of all kinds but events and mismatches the hash of their encoding.

    A mismatch shows its item's hash only: the bytes beside it prove themselves. Only the outer shape of an event is
    checked here: six fields, an array of subjects. FormError otherwise.
    """
    if kind not in (Kind.EVENTS, Kind.MISMATCH):
        return [tagged_hash(Tag.ITEM, network, encode(item)) for item in items]
    hashes = []
    for item in items:
        fields = take_array(take_array(item, "mismatch", 5)[0] if kind == Kind.MISMATCH else item, "item", 6)
        take_array(fields[1], "subjects", most=limits.SUBJECTS_PER_EVENT)
        hashes.append(item_hash(network, fields))
    return hashes


def sign_transaction(
    key: Signer,
    network: bytes,
    organisation: str,
    items: tuple[Any, ...],
    *,
    nonce: bytes,
    expiry_ms: int,
    kind: Kind = Kind.EVENTS,
    mode: Mode = Mode.EACH_ON_ITS_OWN,
) -> Transaction:
    """Build and sign a transaction over the given items (EVENTS: `Item`s; other kinds: their wire arrays)."""
    leaves = payload_leaves(network, kind, items)
    root = merkle.root(leaves)
    header = Header(
        VERSION, network, organisation, key.public_key, nonce, expiry_ms, kind, mode, root, len(items)
    )
    return Transaction(header, items, key.sign(header.id()), item_hashes=leaves)


def check_protocol(header: Header, protocol: int) -> None:
    """Raise FormError unless the protocol version has such transactions; before version 2 there are only plain keys, too."""
    since = VERSION_OF_KIND.get(header.kind, 1)
    if len(header.public_key) != PUBLIC_KEY_BYTES:
        since = max(since, 2)
    if protocol < since:
        raise FormError(
            Code.UNSUPPORTED_VERSION,
            f"expected a transaction of protocol version {protocol}, got one of version {since}: the validators have not "
            "changed to that version yet",
        )


def is_open(item: Item) -> bool:
    """Whether the event's bytes travel beside the batch."""
    return item.statement.openness == Openness.OPEN
