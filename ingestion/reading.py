"""Readings from one record of the stream, decided as the batch path decides, without Spark or Arrow.

Firehose's conversion and `glue_jobs.parsing` do the same to whole tables: documents and values are read by the same
functions (`json_documents`, `timestamps`), and rules are made of the same conditions of the contract
(`generated_reading`). One thing differs because it is known better here: the arrival of a record. The batch knows it
to within the delivery stream's buffering interval, unless the reading says when it was received.
"""

from collections.abc import Sequence
from typing import NamedTuple

import orjson

from ingestion.generated_reading import Reading, reading
from ingestion.json_documents import Malformed, load, mismatch, pieces, split_documents

# The contract's reason for a document that did not become a reading at all.
CONVERSION_ERROR = ("conversion_error",)


class Reject(NamedTuple):
    """A piece of a record that is no valid reading: its bytes, why, and what could be read of it, if anything."""

    raw: bytes
    reasons: tuple[str, ...]
    message: str | None
    reading: Reading | None


def read(payload: bytes, arrived_us: int) -> tuple[list[Reading], list[Reject]]:
    """Return the valid readings of one record's payload, in order, and the rest, in order; never raises.

    `payload` is what was sent (of a Kinesis record, the data after base64), `arrived_us` when the platform took it,
    microseconds since 1970. Every byte apart from white space between documents is in a reading or in a reject.
    """
    try:
        # Most records are one document.
        found = reading(orjson.loads(payload), payload, arrived_us, 0)
    except (ValueError, TypeError):
        found = None
    if found is None:
        return _sorted(_documents(payload, arrived_us))
    return _sorted([(payload, found)]) if found.reasons else ([found], [])


def _sorted(documents: Sequence[tuple[bytes, Reading | Malformed]]) -> tuple[list[Reading], list[Reject]]:
    readings, rejects = [], []
    for raw, found in documents:
        if isinstance(found, Malformed):
            rejects.append(Reject(raw, CONVERSION_ERROR, found.message, None))
        elif not found.reasons:
            readings.append(found)
        else:
            rejects.append(Reject(raw, found.reasons, None, found))
    return readings, rejects


def _documents(payload: bytes, arrived_us: int) -> list[tuple[bytes, Reading | Malformed]]:
    try:
        return [(raw, reading(orjson.loads(raw), raw, arrived_us, row)) for row, raw in enumerate(pieces(payload))]
    except (ValueError, TypeError):
        # The pieces may be wrong, and one document that fails must not spoil the others.
        found, row = [], 0
    for document in split_documents(payload):
        if isinstance(document, Malformed):
            found.append((document.raw, document))
        else:
            outcome = _read_document(document, arrived_us, row)
            found.append((document, outcome))
            row += isinstance(outcome, Reading)
    return found


def _read_document(document: bytes, arrived_us: int, place: int) -> Reading | Malformed:
    row = load(document)
    if isinstance(row, Malformed):
        return row
    try:
        return reading(row, document, arrived_us, place)
    except ValueError as error:
        return mismatch(document, error)
