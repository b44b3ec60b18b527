"""Objects that the pipeline publishes, kept in a warm function and looked at again once in a while."""

import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from botocore.exceptions import ClientError

LOOK_AGAIN_S = 60
T = TypeVar("T")


class Published(Generic[T]):
    """One object: read once, read again when its ETag has changed, which is asked for at most every 60 s."""

    def __init__(self, s3: Any, bucket: str, key: str, decode: Callable[[bytes], T], absent: T) -> None:  # noqa: ANN401
        """Read nothing yet; `absent` stands for an object that has not been published."""
        self._get = lambda **condition: s3.get_object(Bucket=bucket, Key=key, **condition)
        self._decode, self._value = decode, absent
        self._etag: str | None = None
        self._looked_s: float | None = None

    def value(self) -> T:
        """Return what was published last. Raises botocore's errors, also for a bucket that may not be read."""
        if self._looked_s is None or time.monotonic() - self._looked_s > LOOK_AGAIN_S:
            self._refresh()
            self._looked_s = time.monotonic()
        return self._value

    def _refresh(self) -> None:
        try:
            answer = self._get(**({"IfNoneMatch": self._etag} if self._etag else {}))
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("304", "NotModified", "NoSuchKey"):
                raise
            return
        self._value = self._decode(answer["Body"].read())
        self._etag = answer["ETag"]
