"""Every cap of the protocol, in one place (DESIGN §4).

Consensus caps (used while judging a block or executing it) may change only with the protocol version; they are the
same on every node. Local caps protect one process and may differ.
"""

from __future__ import annotations

from typing import Final

# --- consensus: events and transactions
SUBJECTS_PER_EVENT: Final = 1_000
RELATED_PER_EVENT: Final = 4_000
SUBJECTS_PER_TRANSACTION: Final = 2_000
ITEMS_PER_TRANSACTION: Final = 1_000
SUBJECTS_PER_BLOCK: Final = 20_000
BLOCK_BYTES: Final = 8_000_000
TRANSACTION_BYTES: Final = 4_000_000
IDENTIFIER_BYTES: Final = 512
TEXT_BYTES: Final = 256
DOCUMENTS_PER_EVENT: Final = 64
EXPIRY_AHEAD_MS: Final = 3_600_000
# --- consensus: custody
NESTING_LEVELS: Final = 12
FORMER_CUSTODIANS: Final = 8
OPEN_CLAIMS: Final = 8
OPEN_CONTRADICTIONS: Final = 8
HOLDS: Final = 8
HELD_INSIDE_AUTHORITIES: Final = 8
PERMITS: Final = 8
PERMIT_LEGS: Final = 8
SEALS: Final = 8
BINDINGS: Final = 16
LOT_OFFERS: Final = 8
LOTS_PER_CONTAINER: Final = 64
ASIDES_PER_ORGANISATION: Final = 32
OFFER_LAPSE_DEFAULT_MS: Final = 30 * 86_400_000
OFFER_LAPSE_MAX_MS: Final = 366 * 86_400_000
UNCONFIRMED_MS: Final = 7 * 86_400_000
QUANTITY_MAX: Final = 10**18 - 1
SCALE_MAX: Final = 6
# --- consensus: validators
VALIDATORS_MIN: Final = 4
VALIDATORS_MAX: Final = 31
BUCKET_ENTRIES: Final = 4_096
PEERS_MAX: Final = 256  # nodes that one node lets in
APPROVERS_MAX: Final = 128  # organisations that may approve a change of the network
CHANGED_PARAMETERS: Final = 16  # of one change
APPROVAL_LIVE_MS: Final = 24 * 3_600_000  # block time in which an act may use a person's approval
# --- consensus: keys and licences (KEYS.md)
CERTIFICATE_BYTES: Final = 1_024
DELEGATION_MAX_MS: Final = 366 * 86_400_000
# --- consensus: the registry and votes
REGISTRY_PERIODS: Final = 1_000  # of one entry that acts set
KEY_PERIODS: Final = 16  # of a key, whose entry stands in the proof of everything that it signed
PARTIES_PER_ORGANISATION: Final = 64
PLACES_PER_JURISDICTION: Final = 1_000
PROPOSAL_BYTES: Final = 200_000
PROPOSAL_OTHER_BYTES: Final = 65_536  # of a proposal about anything but validators
PROPOSAL_AHEAD_MS: Final = 90 * 86_400_000
OPEN_PROPOSALS: Final = 16  # of one organisation
EMERGENCY_MS: Final = 7 * 86_400_000
# --- consensus: blocks (CONSENSUS 6, 14, 18)
BATCHES_PER_BLOCK: Final = 256
TRANSACTIONS_PER_BLOCK: Final = 20_000
BATCH_WINDOW_BLOCKS: Final = 64  # a batch may not stand in any of this many blocks before
CLOCK_AHEAD_MS: Final = 5_000
CLOCK_BEHIND_MS: Final = 30_000
UNFINAL_BLOCKS: Final = 8
UNEXECUTED_BLOCKS: Final = 2
APPROVERS_BELOW: Final = (
    2 * UNFINAL_BLOCKS
)  # so far below a block stand its approvers: final, and executed by all who vote
# --- local: consensus messages and memory
CONSENSUS_MESSAGE_BYTES: Final = 2_000_000
FINALISE_VIEWS_HELD: Final = 64  # per signer, above the last final view
BLOCKS_PER_FETCH: Final = 16
CERTIFICATES_PER_FETCH: Final = 64
BATCHES_PER_FETCH: Final = 64
BATCHES_PER_ANNOUNCEMENT: Final = 256
BLOCKS_PER_RANGE: Final = 64
UNORDERED_BYTES_PER_ORIGIN: Final = 32_000_000
# --- JSON documents handed to the extractor
JSON_DEPTH: Final = 32
JSON_DIGITS: Final = 18
EVENT_BYTES: Final = 1_000_000
CONTEXT_BYTES: Final = 65_536
DOCUMENT_BYTES: Final = 64_000_000
FINDINGS: Final = 100  # named of one document
# --- local: XML documents (EPCIS.md, Forms)
XML_DEPTH: Final = JSON_DEPTH + 16  # the elements around an event, wrappers, and what JSON may nest
XML_ATTRIBUTES: Final = 256  # of one element
XML_TOKEN_BYTES: Final = 1_048_576  # of one tag or comment: what the parser must hold at once
XML_NAMES: Final = 4_096  # different names of one document
# --- bundles
BUNDLE_BYTES: Final = 16_000_000
CLOSINGS_PER_BUNDLE: Final = 4_096  # changes of validators that one proof spans
TRANSFORMATION_DEPTH: Final = 8
# --- one message of any wire format
DECODE_DEPTH: Final = 16
# --- local: keys at rest, frames between processes
KEY_FILE_BYTES: Final = 4_096
KEY_PASSES: Final = 16  # what opening a key file may be made to cost, at most
KEY_MEMORY_KIB: Final = 1_048_576
TOKEN_TEXT_BYTES: Final = 512  # the path of a PKCS#11 library, the label of a token
TOKEN_PIN_BYTES: Final = 64
FRAME_BYTES: Final = 16_000_000  # a batch of a whole block with its open bytes
TRANSFORMATION_INPUTS: Final = 256
"""How many inputs, over all levels, a proof opens; the verdict says how many it did not."""
# --- local: one request to a gateway
SUBMISSION_BYTES: Final = 8_000_000
SUBMISSION_TRANSACTIONS: Final = 1_000
# --- local: snapshots and what completes them
SNAPSHOT_PART_BYTES: Final = 128_000_000
SNAPSHOT_SLICE_BYTES: Final = 1_000_000  # of a part, in one frame
SNAPSHOT_RECORDS_PER_PART: Final = (
    512  # about; how the state tree is cut follows from the length of the event log
)
SNAPSHOT_STATE_LEVEL: Final = 8  # the state tree is cut into at most 4^8 parts
SNAPSHOT_LOG_BITS: Final = 6  # the event log is cut into parts of 2^6 entries, or more where there are many
SNAPSHOT_LOG_PARTS: Final = 65_536
SNAPSHOT_WINDOW_PARTS: Final = 1_000_000
SNAPSHOT_WINDOW_BYTES: Final = 500_000  # about, of one part of the last hour's headers
VERSIONS_PER_FETCH: Final = 512
LINKS_PER_FETCH: Final = 20_000
SYNC_REQUEST_BYTES: Final = 100_000
# --- local: one audit
AUDIT_FINDINGS: Final = 100  # of events, named one by one; all are counted
