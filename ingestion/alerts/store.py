"""What the alerts keep in DynamoDB, and how it is read back.

Every write is conditional and tells the same when it is repeated, so a batch that is delivered again, or to two
functions at once, changes nothing: a summary or a change is added once, the current alert only moves forward.
"""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from ingestion.alerts import items, machine
from ingestion.alerts.items import Item
from ingestion.alerts.tracker import Folded, Told, Tracked

WRITERS = 16
# Of the items with a state, the newest by time need not be the newest by state: a change may follow its interval. And
# the newest by time may all be without one: changes of many sensors at once.
_LOOK_AT = 4
# BatchGetItem takes 100 keys.
_INTERVALS = 2
_SEGMENTS_PER_CALL = 100 // _INTERVALS
_IS_NEW = {"ConditionExpression": "attribute_not_exists(segment_id)"}


class Table(NamedTuple):
    """A DynamoDB client and the name of the table `sensor_state`."""

    client: Any
    name: str


def load(table: Table, segment_ids: set[str], now_us: int) -> dict[str, Tracked]:
    """Return what was saved of segments, without those of which nothing was.

    Most that report now were saved with one of the last two intervals before now, whose keys are known, and many of
    them come with one call; only the others are looked for one by one.
    """
    chunks = list(_chunks(sorted(segment_ids), _SEGMENTS_PER_CALL))
    with ThreadPoolExecutor(WRITERS) as pool:
        found = {
            segment_id: tracked
            for recent in pool.map(lambda chunk: _recent(table, chunk, now_us), chunks)
            for segment_id, tracked in recent.items()
        }
        others = segment_ids - found.keys()
        latest = pool.map(lambda segment_id: (segment_id, _latest(table, segment_id)), others)
        return found | {segment_id: tracked for segment_id, tracked in latest if tracked}


def write(table: Table, folded: Folded, zones: Mapping[str, str | None]) -> int:
    """Write what segments were told; return the number of items. Raises botocore's errors once all were tried.

    Per segment one item after the other, and the state with the last of them: a function that is killed in between
    finds the older state, is told the same again, and completes it.
    """
    with ThreadPoolExecutor(WRITERS) as pool:
        done = [
            pool.submit(_write_segment, table, segment_id, zones.get(segment_id), folded.states[segment_id], told)
            for segment_id, told in folded.told.items()
        ]
    return sum(each.result() for each in done)


def put_once(table: Table, item: Item) -> bool:
    """Add an item; return False where one with its key is there already."""
    return _put(table, item, **_IS_NEW)


def open_alerts(table: Table) -> Iterator[Item]:
    """Return the current items of all segments in alert."""
    for page in table.client.get_paginator("scan").paginate(TableName=table.name, IndexName="in_alert"):
        yield from map(plain, page["Items"])


def current(table: Table, key: str) -> Item | None:
    """Return the current item of a segment or a zone, if there is one."""
    answer = table.client.get_item(
        TableName=table.name, Key=_attributes({"segment_id": key, "ts": items.CURRENT}), ConsistentRead=True
    )
    return plain(answer["Item"]) if "Item" in answer else None


def put_with_current(table: Table, change: Item, current_item: Item) -> None:
    """Add a change and replace the current item of its key, both or neither; nothing where the change is there."""
    puts = [
        {"TableName": table.name, "Item": _attributes(change), **_IS_NEW},
        {"TableName": table.name, "Item": _attributes(current_item)},
    ]
    try:
        table.client.transact_write_items(TransactItems=[{"Put": put} for put in puts])
    except table.client.exceptions.TransactionCanceledException as error:
        if error.response["CancellationReasons"][0]["Code"] != "ConditionalCheckFailed":
            raise


def newest_of_zone(table: Table, zone_id: str) -> Item | None:
    """Return the newest summary or change of a zone's segments, by time; None where there is none."""
    answer = table.client.query(
        TableName=table.name,
        IndexName="zone_time",
        KeyConditionExpression="zone_id = :zone AND ts < :current",
        FilterExpression="attribute_exists(last_arrived_us)",
        ExpressionAttributeValues=_attributes({":zone": zone_id, ":current": items.CURRENT}),
        ScanIndexForward=False,
        Limit=10,
    )
    return plain(answer["Items"][0]) if answer["Items"] else None


def _recent(table: Table, segment_ids: Sequence[str], now_us: int) -> dict[str, Tracked]:
    """Return what was saved with the last of the two intervals before now that carries a state."""
    interval_us = machine.SUMMARY_S * 1_000_000
    starts = [items.iso(now_us - now_us % interval_us - back * interval_us) for back in range(1, _INTERVALS + 1)]
    keys = [_attributes({"segment_id": segment_id, "ts": start}) for segment_id in segment_ids for start in starts]
    newest: dict[str, Item] = {}
    while keys:
        answer = table.client.batch_get_item(RequestItems={table.name: {"Keys": keys, "ConsistentRead": True}})
        for item in map(plain, answer["Responses"].get(table.name, [])):
            known = newest.get(item["segment_id"])
            if "state" in item and (known is None or known["ts"] < item["ts"]):
                newest[item["segment_id"]] = item
        keys = answer.get("UnprocessedKeys", {}).get(table.name, {}).get("Keys", [])
    return {segment_id: items.restored(item) for segment_id, item in newest.items()}


def _chunks(values: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    return (values[start : start + size] for start in range(0, len(values), size))


def _latest(table: Table, segment_id: str) -> Tracked | None:
    pages = table.client.get_paginator("query").paginate(
        TableName=table.name,
        ConsistentRead=True,
        KeyConditionExpression="segment_id = :segment AND ts < :current",
        ExpressionAttributeValues=_attributes({":segment": segment_id, ":current": items.CURRENT}),
        ScanIndexForward=False,
        PaginationConfig={"PageSize": _LOOK_AT},
    )
    for page in pages:
        with_state = [item for item in map(plain, page["Items"]) if "state" in item]
        if with_state:
            return items.restored(max(with_state, key=lambda item: item["watermark_us"]))
    return None


def _write_segment(
    table: Table,
    segment_id: str,
    zone_id: str | None,
    tracked: Tracked,
    told: list[Told],
) -> int:
    written = 0
    if machine.open_alert(tracked.state) or any(isinstance(each, machine.Change) for each in told):
        written += _put(
            table,
            items.current_item(segment_id, zone_id, tracked.state),
            ConditionExpression="attribute_not_exists(segment_id) OR watermark_us < :watermark",
            ExpressionAttributeValues=_attributes({":watermark": tracked.state.watermark_us}),
        )
    arrived = items.arrived(tracked.last_arrived_us)
    *first, last = (items.of_told(segment_id, zone_id, each) | arrived for each in told)
    written += sum(put_once(table, item) for item in first)
    return written + _put(
        table,
        last | items.saved(tracked),
        # It is there already, without the state, where an earlier attempt had more to tell after it.
        ConditionExpression="attribute_not_exists(segment_id) OR attribute_not_exists(watermark_us) "
        "OR watermark_us < :watermark",
        ExpressionAttributeValues=_attributes({":watermark": tracked.state.watermark_us}),
    )


def _put(table: Table, item: Item, **condition: Any) -> bool:  # noqa: ANN401
    try:
        table.client.put_item(TableName=table.name, Item=_attributes(item), **condition)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        return False
    return True


def _attributes(values: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    return {name: _attribute(value) for name, value in values.items() if value is not None}


def _attribute(value: str | bytes | float) -> dict[str, Any]:
    if isinstance(value, str):
        return {"S": value}
    return {"B": value} if isinstance(value, bytes) else {"N": repr(value)}


def plain(item: Mapping[str, Mapping[str, Any]]) -> Item:
    """Return an item's values: numbers as int where whole, as float otherwise."""
    return {name: _value(next(iter(attribute.items()))) for name, attribute in item.items()}


def _value(attribute: tuple[str, Any]) -> Any:  # noqa: ANN401
    kind, value = attribute
    if kind != "N":
        return value
    number = Decimal(value)
    return int(number) if number == number.to_integral_value() else float(number)
