"""Every private part of amqtt that is overridden: a new version of it must pass these before it is let in."""

import inspect

import amqtt.broker
import pytest
from amqtt.mqtt.packet import MQTTPacket
from amqtt.mqtt.protocol.broker_handler import BrokerProtocolHandler
from amqtt.mqtt.protocol.handler import ProtocolHandler

from infra.local.mqtt.broker import DeviceBroker, DeviceHandler

Broker = amqtt.broker.Broker


OVERRIDDEN = [
    (DeviceBroker, Broker, "_create_server_instance"),
    (DeviceBroker, Broker, "stream_connected"),
    (DeviceBroker, Broker, "_authenticate"),
    (DeviceBroker, Broker, "_topic_filtering"),
    (DeviceBroker, Broker, "_client_message_loop"),
    (DeviceHandler, BrokerProtocolHandler, "init_from_connect"),
    (DeviceHandler, ProtocolHandler, "handle_publish"),
    (DeviceHandler, BrokerProtocolHandler, "handle_read_timeout"),
]


@pytest.mark.parametrize(("ours", "theirs", "name"), OVERRIDDEN)
def test_what_is_overridden_exists(ours: type, theirs: type, name: str) -> None:
    assert name in vars(ours)
    assert name in vars(theirs)


def test_the_handler_of_a_connection_is_found_in_the_module_and_made_in_its_task() -> None:
    source = inspect.getsource(Broker._initialize_client_session)
    assert "await BrokerProtocolHandler.init_from_connect(reader, writer, self.plugins_manager)" in source
    assert "create_task" not in inspect.getsource(Broker._client_connected) + source


def test_a_publish_is_handed_over_while_its_packet_is_read() -> None:
    # Called there and then, and only what it returns becomes a task, which a leaving client may cancel.
    assert "asyncio.create_task(self.handle_publish(packet))" in inspect.getsource(ProtocolHandler._reader_loop)


def test_a_session_is_looked_up_by_its_client_id_only_after_that_is_set() -> None:
    source = inspect.getsource(Broker._initialize_client_session)
    assert source.index("init_from_connect") < source.index("_delete_session(client_session.client_id)")


def test_every_subscription_and_every_delivery_is_asked_for() -> None:
    assert "_topic_filtering(session, topic_filter, Action.SUBSCRIBE)" in inspect.getsource(Broker.add_subscription)
    assert "_topic_filtering(target_session" in inspect.getsource(Broker._run_broadcast)


def test_a_packet_is_written_whole_so_that_acknowledgements_may_come_between() -> None:
    assert "writer.write(self.to_bytes())" in inspect.getsource(MQTTPacket.to_stream)
