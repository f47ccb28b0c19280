"""The query index: what the chain's events say, laid out so that EPCIS 2.0 queries (§8.2.7) are answered fast (EPCIS.md, Index).

It holds nothing that is not on the chain or in the payload store, so it can be thrown away and made again; it never stands
between a transaction and finality.
"""

from __future__ import annotations
