"""What the actions of topic rules do: records into Kinesis streams, objects into S3, updates of shadows."""

import asyncio
import base64
import logging
import uuid
from collections import deque
from collections.abc import Awaitable, Callable
from functools import cache
from typing import Any, NamedTuple

import boto3
import orjson
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.mqtt.errors import ActionError
from infra.local.mqtt.rules import Message, ProjectionError, Rule, UnsupportedSqlError, compile_template

log = logging.getLogger(__name__)
# Limits of PutRecords ("Kinesis Data Streams quotas and limits"); partition keys count into the size.
RECORDS_PER_CALL = 500
BYTES_PER_CALL = 5 << 20
ATTEMPTS = 5
FIRST_DELAY_S = 0.1

# (topic, payload): an update of a shadow by the rules engine.
UpdateShadow = Callable[[str, bytes], Awaitable[None]]


class _Pending(NamedTuple):
    record: dict[str, Any]
    written: asyncio.Future[None]


class StreamWriter:
    """Writes records to one stream, in order of arrival: while a call is under way, the next batch gathers."""

    def __init__(self, kinesis: Any, stream: str) -> None:  # noqa: ANN401 — boto3 clients have no type
        self._kinesis = kinesis
        self._stream = stream
        self._pending: deque[_Pending] = deque()
        self._writing: asyncio.Task[None] | None = None

    async def put(self, data: bytes, partition_key: str) -> None:
        """Return when the stream has the record. Raises ActionError."""
        if not 1 <= len(partition_key) <= 256:
            raise ActionError(f"a partition key has 1 to 256 characters, not {len(partition_key)}")
        written = asyncio.get_running_loop().create_future()
        self._pending.append(_Pending({"Data": data, "PartitionKey": partition_key}, written))
        if self._writing is None or self._writing.done():
            self._writing = asyncio.create_task(self._write())
        await written

    async def _write(self) -> None:
        while self._pending:
            batch, size = [], 0
            while self._pending and len(batch) < RECORDS_PER_CALL and size < BYTES_PER_CALL - (1 << 20):
                batch.append(self._pending.popleft())
                size += len(batch[-1].record["Data"]) + len(batch[-1].record["PartitionKey"].encode())
            await self._write_batch(batch)

    async def _write_batch(self, batch: list[_Pending]) -> None:
        problem = ""
        for attempt in range(ATTEMPTS):
            if attempt:
                await asyncio.sleep(FIRST_DELAY_S * 2 ** (attempt - 1))
            try:
                records = [pending.record for pending in batch]
                answer = await asyncio.to_thread(self._kinesis.put_records, StreamName=self._stream, Records=records)
            except (BotoCoreError, ClientError) as error:
                problem = str(error)
                break
            failed = []
            for pending, result in zip(batch, answer["Records"], strict=True):
                if "ErrorCode" in result:
                    failed.append(pending)
                    problem = f"{result['ErrorCode']}: {result.get('ErrorMessage', '')}"
                else:
                    pending.written.set_result(None)
            batch = failed
            if not batch:
                return
        for pending in batch:
            pending.written.set_exception(ActionError(problem))


class Delivery:
    """Carries out the actions of rules; `update_shadow` is what a republish to a shadow's topic does."""

    def __init__(self, update_shadow: UpdateShadow, access_key: str) -> None:
        self._update_shadow = update_shadow
        self._streams: dict[str, StreamWriter] = {}
        # Use of the endpoint, unlike its own housekeeping: what devices send keeps it from stopping.
        keys = {"aws_access_key_id": access_key, "aws_secret_access_key": access_key}
        # An endpoint that does not answer is gone, and this process ends with it.
        settings = Config(retries={"mode": "standard", "total_max_attempts": 2})
        self._kinesis = boto3.client("kinesis", config=settings, **keys)
        self._s3 = boto3.client("s3", config=settings, **keys)

    async def deliver(self, rule: Rule, message: Message) -> None:
        """Carry out a rule's actions on a message, and its error action for those that fail.

        Raises ActionError when neither an action nor the error action could store the message.
        """
        failures = []
        try:
            event = rule.project(message)
        except ProjectionError as error:
            failures = [_failure(action, error) for action in rule.actions]
        else:
            for action in rule.actions:
                try:
                    await self._carry_out(action, event, message)
                except (ActionError, UnsupportedSqlError) as error:
                    failures.append(_failure(action, error))
        if not failures:
            return
        log.warning("rule %s, topic %s: %s", rule.name, message.topic, failures)
        if rule.error_action is None:
            raise ActionError(f"rule {rule.name} failed and has no error action")
        await self._carry_out(rule.error_action, _error_document(rule, message, failures), message)

    async def _carry_out(self, action: dict[str, Any], event: Any, message: Message) -> None:  # noqa: ANN401 — JSON
        ((kind, settings),) = action.items()
        data = event if isinstance(event, bytes) else orjson.dumps(event)
        if kind == "kinesis":
            stream = settings["streamName"]
            writer = self._streams.get(stream) or self._streams.setdefault(stream, StreamWriter(self._kinesis, stream))
            await writer.put(data, _template(settings.get("partitionKey", "${newuuid()}"))(message))
        elif kind == "s3":
            place = {"Bucket": settings["bucketName"], "Key": _template(settings["key"])(message)}
            try:
                await asyncio.to_thread(self._s3.put_object, **place, Body=data)
            except (BotoCoreError, ClientError) as error:
                raise ActionError(str(error)) from error
        elif kind == "republish" and settings["topic"].startswith("$$aws/things/"):
            await self._update_shadow(_template(settings["topic"])(message)[1:], data)
        else:
            raise ActionError(f"the action {kind} is not supported by the local endpoint")


@cache
def _template(text: str) -> Callable[[Message], str]:
    return compile_template(text)


def _failure(action: dict[str, Any], error: Exception) -> dict[str, str]:
    ((kind, settings),) = action.items()
    resource = settings.get("streamName") or settings.get("bucketName") or settings.get("topic", "")
    return {
        "failedAction": f"{kind[:1].upper()}{kind[1:]}Action",
        "failedResource": resource,
        "errorMessage": str(error),
    }


def _error_document(rule: Rule, message: Message, failures: list[dict[str, str]]) -> dict[str, Any]:
    """Return what an error action gets ("Error handling (error action)", error action message format)."""
    return {
        "ruleName": rule.name,
        "topic": message.topic,
        "cloudwatchTraceId": str(uuid.uuid4()),
        "clientId": message.client_id,
        "base64OriginalPayload": base64.b64encode(message.payload).decode(),
        "failures": failures,
    }
