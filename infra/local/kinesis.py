"""Records in a Kinesis stream survive `kill -9`: those that were accepted since the last save stand in a journal.

Writing the whole state for each PutRecords would cost more than the call, so accepted records are appended to a file,
which is read back when the endpoint starts and emptied whenever the whole state is saved. All of it runs on the
server's loop, as the base's Kinesis does, so that no record falls between a save and the emptying.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from infra.local import persistence
from infra.local.base import Handler, Response

JOURNAL_LIMIT_BYTES = 256_000_000
Record = dict[str, Any]
# (request) → address of the stream that it names.
StreamOf = Callable[[dict[str, Any]], str]


def handler(
    base_kinesis: Handler, save: Callable[[], None], stream_of: StreamOf, journal: Path, announce: Callable[[str], None]
) -> Handler:
    """Return the Kinesis handler that wraps the base's: accepted records are in `journal` before the call is answered.

    `save` writes the whole state of the streams, records included. `announce` is told the address of a stream that has
    new records.
    """
    journal.parent.mkdir(parents=True, exist_ok=True)
    out = journal.open("ab", buffering=0)

    async def handle(
        method: str, path: str, headers: dict[str, str], body: bytes, query_params: dict[str, list[str]]
    ) -> Response:
        response = await base_kinesis(method, path, headers, body, query_params)
        name = persistence.action(headers, body, query_params)
        if response[0] == 200 and name in ("PutRecord", "PutRecords"):
            request, answer = orjson.loads(body), orjson.loads(response[2])
            stream = stream_of(request)
            out.write(orjson.dumps({"stream": stream, "records": accepted(request, answer)}) + b"\n")
            announce(stream)
        if response[0] == 200 and (
            persistence.changes("kinesis", method, path, name) or out.tell() > JOURNAL_LIMIT_BYTES
        ):
            save()
            out.truncate(0)
            out.seek(0)
        return response

    return handle


def accepted(request: dict[str, Any], answer: dict[str, Any]) -> list[Record]:
    """Return the records of a PutRecord or PutRecords call with a sequence number, as the base keeps them."""
    sent, given = (request["Records"], answer["Records"]) if "Records" in request else ([request], [answer])
    return [
        {
            "ShardId": result["ShardId"],
            "SequenceNumber": result["SequenceNumber"],
            # The base's sequence numbers begin with the arrival in milliseconds, in 20 digits.
            "ApproximateArrivalTimestamp": int(result["SequenceNumber"][:20]) / 1000,
            "Data": record["Data"],
            "PartitionKey": record["PartitionKey"],
        }
        for record, result in zip(sent, given, strict=True)
        if result.get("SequenceNumber")
    ]


def restore(streams: dict[str, dict[str, Any]], journal: Path) -> int:
    """Put journaled records back into the base's streams (by address) where they are missing; return how many.

    The last line may be cut short by the kill: its call was not answered.
    """
    restored = 0
    if not journal.exists():
        return restored
    with journal.open("rb") as lines:
        for line in lines:
            if not line.endswith(b"\n"):
                break
            entry = orjson.loads(line)
            for record in entry["records"]:
                shard = streams.get(entry["stream"], {}).get("shards", {}).get(record.pop("ShardId"))
                if shard is not None:
                    restored += _insert(shard["records"], record)
    return restored


def _insert(records: list[Record], record: Record) -> bool:
    if not records or records[-1]["SequenceNumber"] < record["SequenceNumber"]:
        records.append(record)
        return True
    # What the last save holds too.
    return False
