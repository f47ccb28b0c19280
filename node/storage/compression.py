"""Bytes made smaller where they are kept: Zstandard frames (RFC 8878), after everything was hashed (STORAGE.md §3, §6, §7).

Several things of a block together shrink to what is random in them. An event stands alone, so that it can be erased alone;
what EPCIS documents have in common is taken from a fixed dictionary of the standard's own words (EPCIS 2.0 §10, CBV 2.0
§7), never from events, so that nothing of an erased one is left in it.

A record of the state stands alone too, since one event reads and writes a few of many; what records have in common is taken
from the encoding of two that nobody ever had, and the frame does without its four bytes of magic.

A frame states its length, which is checked against what the caller expects at most before anything is unpacked. One
object belongs to one thread.
"""

from __future__ import annotations

from typing import Final

import zstandard

from ledger.base.errors import Code, StorageError

_TOGETHER: Final = 1
_ALONE: Final = -1
"""Without an entropy stage: of small things it costs twice the time and gains one part in fifty."""
_RECORD_BYTES: Final = 250
"""Of a record, about."""

WORDS: Final = (
    b'{"@context":["https://ref.gs1.org/standards/epcis/2.0.0/epcis-context.jsonld"],"certificationInfo":"errorDeclaration":'
    b'{"declarationTime":"reason":"correctiveEventIDs":["sensorElementList":[{"sensorMetadata":{"time":"deviceID":'
    b'"sensorReport":[{"type":"Temperature","value":"uom":"CEL","persistentDisposition":{"set":["unset":["ilmd":{'
    b'"inputEPCList":["inputQuantityList":[{"outputEPCList":["outputQuantityList":[{"transformationID":"'
    b'"type":"TransformationEvent","type":"AssociationEvent","type":"TransactionEvent","type":"AggregationEvent",'
    b'"decommissioning","destroying","dispensing","loading","unloading","storing","staging_outbound","arriving","departing",'
    b'"retail_selling","unpacking","holding","accepting","void_shipping","encoding","container_closed","sellable_accessible",'
    b'"recalled","damaged","destroyed","inactive","sellable_not_accessible","quantityList":[{"epcClass":"/10/","quantity":'
    b'"uom":"KGM"}],"parentID":"https://id.gs1.org/00/","childEPCs":["https://id.gs1.org/01/","childQuantityList":['
    b'"sourceList":[{"type":"owning_party","source":"https://id.gs1.org/417/"}],"destinationList":[{"type":'
    b'"possessing_party","destination":"https://id.gs1.org/417/"}],"type":"ObjectEvent","eventID":"ni:///sha-256;'
    b'?ver=CBV2.0","eventTime":"2026-01-01T00:00:00.000Z","eventTimeZoneOffset":"+00:00","recordTime":"action":"DELETE",'
    b'"action":"OBSERVE","action":"ADD","bizStep":"receiving","bizStep":"packing","bizStep":"inspecting","bizStep":'
    b'"shipping","bizStep":"commissioning","disposition":"in_progress","disposition":"in_transit","disposition":"active",'
    b'"epcList":["https://id.gs1.org/01/0/21/"],"readPoint":{"id":"https://id.gs1.org/414/"},"bizLocation":{"id":'
    b'"https://id.gs1.org/414/"},"bizTransactionList":[{"type":"desadv","bizTransaction":"urn:epcglobal:cbv:bt:"},'
    b'{"type":"inv","type":"prodorder","bizTransaction":"http://"},{"type":"po","bizTransaction":"http://"}]}'
)
"""Of format 1 for good: what was packed with it cannot be unpacked without. The likeliest words are last."""


_SHORT: Final = 65_791
_LONG: Final = b"\x80"
"""The first byte of a frame without magic is below this if it says its length in two bytes at most (RFC 8878 §3.1.1.1)."""

RECORD_WORDS: Final = bytes.fromhex(
    "dc00230102a0c2a0c2900000b768747470733a2f2f69642e6773312e6f72672f30302f300100000000c090c0909090909090"
    "9e01c4200000000000000000000000000000000000000000000000000000000000000000a00101a0bb68747470733a2f2f69"
    "642e6773312e6f72672f30312f302f32312f0102a0c29090c0c09090c09200c4200000000000000000000000000000000000"
    "00000000000000000000000000000093000000009200c4200000000000000000000000000000000000000000000000000000"
    "0000000000009200c42000000000000000000000000000000000000000000000000000000000000000009200c42000000000"
    "00000000000000000000000000000000000000000000000000000000dc00230102a16dc2a16dc2900300c00000000000c090"
    "c09090909090909e01c400a16d0200c0c00000c0c29090c0c09090c09200c420000000000000000000000000000000000000"
    "000000000000000000000000000093000000019201c4009201c4009200c42000000000000000000000000000000000000000"
    "00000000000000000000000000"
)
"""Of layout 4 of the state's tables: the encodings of a record in a container and of one just made, without their hashes."""


class Compressor:
    """Packs and unpacks; not for several threads."""

    def __init__(self) -> None:
        words = zstandard.ZstdCompressionDict(WORDS, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        self._together = zstandard.ZstdCompressor(level=_TOGETHER)
        self._alone = zstandard.ZstdCompressor(level=_ALONE, dict_data=words)
        self._unpack_together = zstandard.ZstdDecompressor()
        self._unpack_alone = zstandard.ZstdDecompressor(dict_data=words)

    def pack(self, data: bytes) -> bytes:
        """A frame with many things, which are read and removed together."""
        return self._together.compress(data)

    def pack_alone(self, data: bytes) -> bytes:
        """A frame with one event."""
        return self._alone.compress(data)

    def unpack(self, frame: bytes, most: int) -> bytes:
        """What `pack` packed, of at most `most` bytes; StorageError damaged."""
        return _unpacked(self._unpack_together, frame, most)

    def unpack_alone(self, frame: bytes, most: int) -> bytes:
        """What `pack_alone` packed, of at most `most` bytes; StorageError damaged."""
        return _unpacked(self._unpack_alone, frame, most)


class RecordCompressor:
    """Packs and unpacks records of the state; not for several threads."""

    def __init__(self) -> None:
        words = zstandard.ZstdCompressionDict(RECORD_WORDS, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
        form = zstandard.ZstdCompressionParameters.from_level(
            _ALONE,
            source_size=_RECORD_BYTES,
            dict_size=len(RECORD_WORDS),
            format=zstandard.FORMAT_ZSTD1_MAGICLESS,
            write_content_size=True,
        )
        self._compressor = zstandard.ZstdCompressor(compression_params=form, dict_data=words)
        self._decompressor = zstandard.ZstdDecompressor(
            dict_data=words, format=zstandard.FORMAT_ZSTD1_MAGICLESS
        )
        self.pack = self._compressor.compress

    def unpack(self, frame: bytes, most: int) -> bytes:
        """What `pack` packed, of at most `most` bytes; StorageError damaged."""
        try:
            if most >= _SHORT and frame[:1] < _LONG:
                return self._decompressor.decompress(frame)
            found = zstandard.get_frame_parameters(frame, format=zstandard.FORMAT_ZSTD1_MAGICLESS)
            if found.content_size <= most:
                return self._decompressor.decompress(frame)
            reason = f"it says to have {found.content_size}"
        except zstandard.ZstdError as error:
            reason = str(error)
        raise StorageError(Code.DAMAGED, f"expected a packed record of at most {most} bytes: {reason}")


def _unpacked(decompressor: zstandard.ZstdDecompressor, frame: bytes, most: int) -> bytes:
    try:
        size = zstandard.frame_content_size(frame)
        if 0 <= size <= most:
            return decompressor.decompress(frame)
        reason = f"it says to have {size}"
    except zstandard.ZstdError as error:
        reason = str(error)
    raise StorageError(Code.DAMAGED, f"expected a packed frame of at most {most} bytes: {reason}")
