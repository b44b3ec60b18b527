"""Who a device is and what it may do: its name, its topics and the one IoT policy that all devices share."""

import re
from typing import Any

# Thing names of AWS IoT ("CreateThing"); every one of them is also one level of an MQTT topic.
_THING_NAME = re.compile(r"[a-zA-Z0-9:_-]{1,128}")

# A device publishes its readings on SENSORS_TOPIC/<its thing name> or on TELEMETRY_TOPIC with its thing name in place
# of the `+`; on the older topic the payload names it.
SENSORS_TOPIC = "traffic/sensors"
TELEMETRY_TOPIC = "device/+/telemetry"
OLDER_TOPIC = "traffic/data"

_OWN = "${iot:Connection.Thing.ThingName}"


def device_id_problem(device_id: str) -> str | None:
    """Say why an ID cannot be a device's, or return None: it must be a thing name and one level of a topic."""
    if _THING_NAME.fullmatch(device_id):
        return None
    if not device_id:
        return "a device ID must not be empty"
    if len(device_id) > 128:
        return f"a device ID has at most 128 characters, not {len(device_id)}"
    odd = sorted({character for character in device_id if not _THING_NAME.fullmatch(character)})
    return f"a device ID holds letters, digits, ':', '_' and '-', not {', '.join(map(repr, odd))}"


def policy_document(region: str, account: str) -> dict[str, Any]:
    """Return the IoT policy of every device: it connects as a thing and publishes in nobody else's name.

    The variable holds whatever client ID a device chooses, because its certificate is attached to its thing
    exclusively ("Associating an AWS IoT thing to an MQTT client connection").
    """

    def arn(kind: str, name: str) -> str:
        return f"arn:aws:iot:{region}:{account}:{kind}/{name}"

    shadow = f"$aws/things/{_OWN}/shadow/update"
    attached = {"Bool": {"iot:Connection.Thing.IsAttached": ["true"]}}
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "iot:Connect", "Resource": arn("client", "*"), "Condition": attached},
            {
                "Effect": "Allow",
                "Action": "iot:Publish",
                "Resource": [
                    arn("topic", f"{SENSORS_TOPIC}/{_OWN}"),
                    arn("topic", TELEMETRY_TOPIC.replace("+", _OWN)),
                    arn("topic", OLDER_TOPIC),
                    arn("topic", shadow),
                ],
            },
            {"Effect": "Allow", "Action": "iot:Subscribe", "Resource": arn("topicfilter", f"{shadow}/*")},
            {"Effect": "Allow", "Action": "iot:Receive", "Resource": arn("topic", f"{shadow}/*")},
        ],
    }
