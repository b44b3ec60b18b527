"""Device shadows over MQTT: an update by a device or a rule, and the replies on the topics below it."""

import asyncio
import re
from collections.abc import Awaitable, Callable

import boto3
import orjson
from botocore.exceptions import ClientError

from infra.local.mqtt.errors import ActionError

_UPDATE = re.compile(r"\$aws/things/(?P<thing>[a-zA-Z0-9:_-]{1,128})/shadow/update")

# (topic, payload): to whoever has subscribed.
Broadcast = Callable[[str, bytes], Awaitable[None]]


def is_shadow_update(topic: str) -> bool:
    """Say whether a topic is that of updates of a thing's classic shadow."""
    return _UPDATE.fullmatch(topic) is not None


class Shadows:
    """Hands updates to the control plane, and its answers to subscribers ("Device Shadow MQTT topics")."""

    def __init__(self, broadcast: Broadcast, access_key: str) -> None:
        self._broadcast = broadcast
        self._data = boto3.client("iot-data", aws_access_key_id=access_key, aws_secret_access_key=access_key)

    async def update(self, topic: str, payload: bytes) -> None:
        """Update the shadow that a topic names; what is refused is told on its topic `rejected`.

        Raises ActionError for a topic that names none.
        """
        name = _UPDATE.fullmatch(topic)
        if name is None:
            raise ActionError(f"{topic} is no topic of a shadow's updates")
        thing = name["thing"]
        try:
            accepted = await asyncio.to_thread(self._update, thing, payload)
        except ClientError as error:
            refusal = {
                "code": error.response["ResponseMetadata"]["HTTPStatusCode"],
                "message": error.response["Error"]["Message"],
            }
            await self._broadcast(f"{topic}/rejected", orjson.dumps(refusal))
            return
        await self._broadcast(f"{topic}/accepted", accepted)
        if delta := await asyncio.to_thread(self._delta, thing):
            await self._broadcast(f"{topic}/delta", delta)

    def _update(self, thing: str, payload: bytes) -> bytes:
        return self._data.update_thing_shadow(thingName=thing, payload=payload)["payload"].read()

    def _delta(self, thing: str) -> bytes | None:
        shadow = orjson.loads(self._data.get_thing_shadow(thingName=thing)["payload"].read())
        if "delta" not in shadow["state"]:
            return None
        return orjson.dumps(
            {"version": shadow["version"], "timestamp": shadow["timestamp"], "state": shadow["state"]["delta"]}
        )
