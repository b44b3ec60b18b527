"""A batch taken in parts, so that what is done of it need not be done again."""

import logging
from collections.abc import Callable, Sequence

from botocore.exceptions import BotoCoreError, ClientError

from ingestion.alerts.put_records import ThrottledError
from ingestion.alerts.replay import LogRecord

PART = 2000
_log = logging.getLogger(__name__)


def in_parts(records: Sequence[LogRecord], take: Callable[[Sequence[LogRecord]], None]) -> dict[str, list]:
    """Take the records of a batch part by part; return Lambda's answer, which names the part that failed, if any.

    Only AWS's own refusals are named: the service may do it the next time. Raises them when the first part fails, for
    nothing is done then.
    """
    for start in range(0, len(records), PART):
        part = records[start : start + PART]
        try:
            take(part)
        except (BotoCoreError, ClientError, ThrottledError):
            if not start:
                raise
            _log.exception("%d of %d records are done, the others come again", start, len(records))
            return {"batchItemFailures": [{"itemIdentifier": part[0].sequence}]}
    return {"batchItemFailures": []}
