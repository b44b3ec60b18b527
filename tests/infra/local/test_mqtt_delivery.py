"""Records that a stream does not take at once, or never."""

import asyncio
from typing import Any

import pytest

from infra.local.mqtt.delivery import ATTEMPTS, RECORDS_PER_CALL, StreamWriter
from infra.local.mqtt.errors import ActionError


class Kinesis:
    """Faults that a real stream cannot be made to have: it refuses a record as often as `refusals` says."""

    def __init__(self, refusals: dict[bytes, int]) -> None:
        self.refusals = refusals
        self.calls: list[int] = []
        self.stored: list[bytes] = []

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:
        self.calls.append(len(Records))
        return {"Records": [self._put(record["Data"]) for record in Records]}

    def _put(self, data: bytes) -> dict[str, str]:
        if self.refusals.get(data, 0) > 0:
            self.refusals[data] -= 1
            return {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "slow down"}
        self.stored.append(data)
        return {"SequenceNumber": "1", "ShardId": "shard"}


def _put_all(kinesis: Kinesis, records: list[bytes]) -> list[BaseException | None]:
    async def put() -> list[BaseException | None]:
        writer = StreamWriter(kinesis, "stream")
        return await asyncio.gather(*(writer.put(data, "key") for data in records), return_exceptions=True)

    return asyncio.run(put())


def test_what_is_refused_at_first_is_stored_once() -> None:
    kinesis = Kinesis({b"2": 1, b"4": ATTEMPTS - 1})
    records = [str(number).encode() for number in range(6)]
    assert _put_all(kinesis, records) == [None] * 6
    assert sorted(kinesis.stored) == records


def test_what_is_refused_for_good_fails_alone() -> None:
    kinesis = Kinesis({b"2": ATTEMPTS})
    outcomes = _put_all(kinesis, [b"1", b"2", b"3"])
    assert outcomes[0] is outcomes[2] is None
    assert isinstance(outcomes[1], ActionError)
    assert "ProvisionedThroughputExceededException" in str(outcomes[1])
    assert kinesis.stored == [b"1", b"3"]


def test_records_travel_together_within_the_limits_of_a_call() -> None:
    kinesis = Kinesis({})
    assert _put_all(kinesis, [b"x"] * 1200) == [None] * 1200
    assert max(kinesis.calls) == RECORDS_PER_CALL
    assert len(kinesis.calls) == 3
    kinesis = Kinesis({})
    assert _put_all(kinesis, [b"x" * 1_000_000] * 6) == [None] * 6
    assert max(kinesis.calls) * 1_000_000 <= 5 << 20


@pytest.mark.parametrize("key", ["", "k" * 257])
def test_a_key_that_no_stream_takes_does_not_fail_its_neighbours(key: str) -> None:
    async def put() -> list[BaseException | None]:
        writer = StreamWriter(kinesis, "stream")
        return await asyncio.gather(writer.put(b"1", key), writer.put(b"2", "key"), return_exceptions=True)

    kinesis = Kinesis({})
    refused, stored = asyncio.run(put())
    assert isinstance(refused, ActionError)
    assert stored is None
