"""What delivery needs of the base emulator by private name; `tests/infra/local/test_firehose_base.py` names each.

The base would write one object per record inside the sender's call, and leaves the source backup out of its
descriptions.
"""

import queue
import time
from collections.abc import Callable
from importlib import import_module
from typing import Any

# (delivery stream, arrival in epoch seconds, record) as PutRecord and PutRecordBatch brought them.
DirectPuts = queue.SimpleQueue[tuple[str, float, bytes]]

_UNDESCRIBED = ("CustomTimeZone", "FileExtension")


def patch() -> DirectPuts:
    """Keep the base from delivering; return the queue of the records that were put directly from now on."""
    firehose = import_module("ministack.services.firehose")
    puts: DirectPuts = queue.SimpleQueue()

    def take(stream: dict[str, Any], destination: dict[str, Any], records: list[tuple[str, bytes]]) -> None:
        # The base keeps what it was sent for ever, and saves it with its state.
        destination["records"].clear()
        for _, data in records:
            puts.put((stream["name"], time.time(), data))

    firehose.ingest_from_kinesis_source = lambda _stream_arn, _records: None
    firehose._deliver_records_to_s3 = take
    if not hasattr(firehose._dest_description, "__wrapped__"):
        firehose._dest_description = _with_backup(firehose._dest_description)
    return puts


def _with_backup(describe: Callable[[dict[str, Any]], dict[str, Any]]) -> Callable[[dict[str, Any]], dict[str, Any]]:
    def described(destination: dict[str, Any]) -> dict[str, Any]:
        found = describe(destination)
        if "ExtendedS3DestinationDescription" in found:
            config = destination["config"]
            extended = found["ExtendedS3DestinationDescription"]
            extended.update({name: config[name] for name in _UNDESCRIBED if config.get(name)})
            if backup := config.get("S3BackupConfiguration", {}) | config.get("S3BackupUpdate", {}):
                extended["S3BackupDescription"] = {
                    "BufferingHints": {"SizeInMBs": 5, "IntervalInSeconds": 300},
                    "CompressionFormat": "UNCOMPRESSED",
                    "EncryptionConfiguration": {"NoEncryptionConfig": "NoEncryption"},
                } | backup
        return found

    described.__wrapped__ = describe
    return described
