"""The broker of the local endpoint: amqtt speaks MQTT 3.1.1, the control plane decides who may do what.

Different from amqtt alone: nobody speaks without an active certificate; a message is acknowledged only when the rules
have stored it; one that is not allowed ends its connection, as on AWS; the client ID of one device means nothing to
another; there are no wills and no retained messages, whose topics nothing would check.
"""

import asyncio
import hashlib
import logging
import math
import socket
import ssl
import time
from collections.abc import Awaitable, Coroutine
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import amqtt.broker
import orjson
from amqtt.adapters import ReaderAdapter, WriterAdapter
from amqtt.contexts import Action
from amqtt.errors import MQTTError
from amqtt.mqtt.connack import NOT_AUTHORIZED, ConnackPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.puback import PubackPacket
from amqtt.mqtt.publish import PublishPacket
from amqtt.plugins.manager import PluginManager
from amqtt.session import Session
from botocore.exceptions import BotoCoreError, ClientError

from infra.local.mqtt.access import Device
from infra.local.mqtt.control import DEVICE_REFRESH_S, REFRESH_S, Control
from infra.local.mqtt.delivery import Delivery
from infra.local.mqtt.errors import ActionError
from infra.local.mqtt.rules import Message
from infra.local.mqtt.shadows import Shadows, is_shadow_update

log = logging.getLogger(__name__)
# AWS IoT Core message broker limits: payload and topic.
PAYLOAD_LIMIT_BYTES = 128 << 10
TOPIC_LIMIT_BYTES = 256
HANDSHAKE_LIMIT_S = 10
DEVICE_KEY = "trafficlake-devices"


@dataclass(eq=False)
class Connection:
    """One device that is connected."""

    device: Device
    writer: asyncio.StreamWriter
    client_id: str = ""
    read_at: float = field(default_factory=time.monotonic)
    _acknowledgements: list[bytes] = field(default_factory=list)

    def acknowledge(self, packet_id: int) -> None:
        """Send a PUBACK, together with those of other messages that were stored by the same call."""
        if not self._acknowledgements:
            asyncio.get_running_loop().call_soon(self._send_acknowledgements)
        self._acknowledgements.append(PubackPacket.build(packet_id).to_bytes())

    def _send_acknowledgements(self) -> None:
        if not self.writer.transport.is_closing():
            self.writer.write(b"".join(self._acknowledgements))
        self._acknowledgements.clear()

    def allows(self, action: str, resource: str) -> bool:
        """Say whether the device may do this now."""
        return self.device.allows(self.client_id, action, resource)

    def cut(self, reason: str) -> None:
        """End the connection at once; only the first reason counts."""
        if self.writer.transport.is_closing():
            return
        log.warning("device %s is disconnected: %s", self.device.thing or self.device.certificate_id, reason)
        self.writer.transport.abort()


# The connection that the running task serves: amqtt makes its handler in the task of the connection.
_CONNECTION: ContextVar[Connection] = ContextVar("connection")


class DeviceHandler(BrokerProtocolHandler):
    """amqtt's handler of one connection, but what is published goes to the rules before it is acknowledged."""

    broker: "DeviceBroker"

    @classmethod
    async def init_from_connect(
        cls,
        reader: ReaderAdapter,
        writer: WriterAdapter,
        plugins_manager: PluginManager,
        **named: Any,  # noqa: ANN401
    ) -> tuple[BrokerProtocolHandler, Session]:
        """Read the CONNECT packet, and refuse a device that may not connect with its client ID."""
        handler, session = await super().init_from_connect(reader, writer, plugins_manager, **named)
        connection = _CONNECTION.get()
        connection.client_id = session.client_id
        if not connection.allows("iot:Connect", f"client/{connection.client_id}"):
            await ConnackPacket.build(0, NOT_AUTHORIZED).to_stream(writer)
            raise MQTTError(f"{connection.device.thing} may not connect as {connection.client_id}")
        session.client_id = f"{connection.device.certificate_id}/{connection.client_id}"
        session.will_flag = False
        # "Keep Alive" (MQTT 3.1.1, 3.1.2.10): one and a half times what the client says.
        session.keep_alive = math.ceil(session.keep_alive * 1.5)
        return handler, session

    def handle_read_timeout(self) -> None:
        """End a connection from which nothing came for its keep-alive time."""
        _CONNECTION.get().cut("it has been silent for longer than its keep-alive time")

    def handle_publish(self, publish_packet: PublishPacket) -> Awaitable[None]:
        """Hand a message to the broker at once; nothing remains to be awaited.

        No coroutine does it, because amqtt may cancel that before it begins, when the client leaves behind its message.
        """
        self.broker.accept(_CONNECTION.get(), publish_packet)
        return _nothing()


async def _nothing() -> None:
    pass


class DeviceBroker(amqtt.broker.Broker):
    """The broker on a listening socket; `control` decides, and rules carry messages on."""

    def __init__(self, listening: socket.socket, tls: ssl.SSLContext, control: Control) -> None:
        host, port = listening.getsockname()
        super().__init__({"listeners": {"default": {"type": "tcp", "bind": f"{host}:{port}"}}, "plugins": {}})
        self._listening = listening
        self._tls = tls
        self._control = control
        self._shadows = Shadows(self.internal_message_broadcast, DEVICE_KEY)
        self._delivery = Delivery(self._shadows.update, DEVICE_KEY)
        self._connections: dict[str, Connection] = {}
        self._accepting: set[asyncio.Task[Any]] = set()
        DeviceHandler.broker = self
        amqtt.broker.BrokerProtocolHandler = DeviceHandler

    async def watch(self) -> None:
        """Keep rules and devices up to date for as long as somebody is connected; ends only when cancelled."""
        while True:
            await asyncio.sleep(REFRESH_S)
            if not self._connections:
                continue
            try:
                await self._control.refresh_rules()
                active = await self._control.active_certificates()
                for connection in list(self._connections.values()):
                    await self._check(connection, active)
            except (BotoCoreError, ClientError) as error:
                log.warning("the control plane does not answer: %s", error)

    async def _check(self, connection: Connection, active: set[str]) -> None:
        certificate_id = connection.device.certificate_id
        device: Device | None = connection.device if certificate_id in active else None
        if device and time.monotonic() - connection.read_at > DEVICE_REFRESH_S:
            device = await self._control.device(certificate_id)
            connection.read_at = time.monotonic()
        if device is None:
            connection.cut("its certificate is not active any more")
        else:
            connection.device = device

    async def drain(self, within_s: float) -> None:
        """Wait until what was accepted is stored."""
        if self._accepting:
            await asyncio.wait(self._accepting, timeout=within_s)

    async def _create_server_instance(self, *_names: object) -> asyncio.Server:
        return await asyncio.start_server(
            partial(self.stream_connected, listener_name="default"),
            sock=self._listening,
            ssl=self._tls,
            ssl_handshake_timeout=HANDSHAKE_LIMIT_S,
        )

    async def stream_connected(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, listener_name: str
    ) -> None:
        """Serve a client whose certificate is active; to any other say that it is not authorised."""
        certificate = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        certificate_id = hashlib.sha256(certificate).hexdigest()
        try:
            device = await self._control.device(certificate_id)
            await self._control.refresh_rules()
        except (BotoCoreError, ClientError) as error:
            log.warning("the control plane does not answer: %s", error)
            writer.transport.abort()
            return
        if device is None:
            log.warning("refused: certificate %s is unknown or not active", certificate_id)
            await _refuse(reader, writer)
            return
        _CONNECTION.set(Connection(device, writer))
        await super().stream_connected(reader, writer, listener_name)

    async def _authenticate(self, *_session: object) -> bool:
        # Who gets here has shown its certificate and may connect.
        return True

    async def _topic_filtering(self, session: Session, topic: str, action: Action) -> bool:
        connection = self._connections.get(session.client_id or "")
        if connection is None:
            return False
        if action is Action.SUBSCRIBE:
            return connection.allows("iot:Subscribe", f"topicfilter/{topic}")
        return connection.allows("iot:Receive", f"topic/{topic}")

    async def _client_message_loop(self, client_session: Session, handler: BrokerProtocolHandler) -> None:
        connection, name = _CONNECTION.get(), client_session.client_id or ""
        if former := self._connections.get(name):
            former.cut("it has connected again with the same client ID")
        self._connections[name] = connection
        self._announce(connection, "connected")
        try:
            await super()._client_message_loop(client_session, handler)
        finally:
            if self._connections.get(name) is connection:
                del self._connections[name]
            self._announce(connection, "disconnected")

    def _announce(self, connection: Connection, event: str) -> None:
        """Publish what AWS does of a connection ("Lifecycle events"), for rules only."""
        device, client_id = connection.device, connection.client_id
        if "+" in client_id or "#" in client_id:
            return
        content = {
            "clientId": client_id,
            "timestamp": time.time_ns() // 1_000_000,
            "eventType": event,
            "principalIdentifier": device.certificate_id,
        }
        if device.thing:
            content["thingName"] = device.thing
        message = Message(f"$aws/events/presence/{event}/{client_id}", orjson.dumps(content), client_id)
        self._start(self._apply_rules(message))

    def accept(self, connection: Connection, packet: PublishPacket) -> None:
        """Store a message and acknowledge it then. Where it must not or cannot be stored, the connection ends."""
        topic, payload = packet.topic_name or "", bytes(packet.data or b"")
        self._start(self._accept(connection, packet, Message(topic, payload, connection.client_id)))

    async def _accept(self, connection: Connection, packet: PublishPacket, message: Message) -> None:
        if problem := _problem(connection, packet, message):
            connection.cut(problem)
            return
        if is_shadow_update(message.topic):
            await self._shadows.update(message.topic, message.payload)
        if not await self._apply_rules(message):
            connection.cut("what it sent could not be stored")
        elif packet.qos:
            connection.acknowledge(packet.variable_header.packet_id)

    async def _apply_rules(self, message: Message) -> bool:
        """Say whether all rules that apply have stored the message."""
        rules = [rule for rule in self._control.rules_for(message.topic) if rule.applies(message)]
        try:
            if len(rules) == 1:
                await self._delivery.deliver(rules[0], message)
            else:
                await asyncio.gather(*(self._delivery.deliver(rule, message) for rule in rules))
        except ActionError as error:
            log.error("a message on %s could not be stored: %s", message.topic, error)
            return False
        return True

    def _start(self, work: Coroutine[Any, Any, Any]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._accepting.add(task)
        task.add_done_callback(self._accepting.discard)


def _problem(connection: Connection, packet: PublishPacket, message: Message) -> str | None:
    """Say why a message must not be accepted, or None."""
    if packet.qos not in (0, 1):
        return "it published with QoS 2, which AWS IoT does not support"
    if len(message.payload) > PAYLOAD_LIMIT_BYTES:
        return f"it published {len(message.payload):,} bytes; the limit is {PAYLOAD_LIMIT_BYTES:,}"
    if len(message.topic.encode()) > TOPIC_LIMIT_BYTES or "+" in message.topic or "#" in message.topic:
        return f"no topic: {message.topic[:TOPIC_LIMIT_BYTES]!r}"
    actions = ["iot:Publish", "iot:RetainPublish"] if packet.retain_flag else ["iot:Publish"]
    if not all(connection.allows(action, f"topic/{message.topic}") for action in actions):
        return f"it may not publish {'and retain ' if packet.retain_flag else ''}on {message.topic!r}"
    return None


async def _refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer CONNECT with "not authorised", which clients show, where AWS closes without a word."""
    try:
        await asyncio.wait_for(reader.read(1 << 10), HANDSHAKE_LIMIT_S)
        writer.write(ConnackPacket.build(0, NOT_AUTHORIZED).to_bytes())
        await writer.drain()
        writer.close()
    except (OSError, TimeoutError):
        writer.transport.abort()
