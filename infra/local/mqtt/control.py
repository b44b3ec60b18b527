"""The broker's view of the IoT control plane, read through the API and no older than a few seconds."""

import asyncio
import logging
import time
from typing import Any

import boto3
from paho.mqtt.client import topic_matches_sub

from infra.local.mqtt import access
from infra.local.mqtt.access import Device
from infra.local.mqtt.rules import Rule, UnsupportedSqlError, compile_rule

log = logging.getLogger(__name__)
# How long a revoked certificate, or a changed rule, may go unnoticed.
REFRESH_S = 2.0
# What a certificate is attached to changes seldom; AWS lets a changed policy wait for minutes too.
DEVICE_REFRESH_S = 30.0


class Control:
    """Devices and rules as the control plane knows them; reading it never holds up the broker's loop."""

    def __init__(self) -> None:
        self._iot = boto3.client("iot")
        self._rules: tuple[Rule, ...] = ()
        self._payloads: dict[str, dict[str, Any]] = {}
        self._rules_by_topic: dict[str, tuple[Rule, ...]] = {}
        self._read_at = float("-inf")

    async def device(self, certificate_id: str) -> Device | None:
        """Return the device of a certificate, or None where it is unknown or not active."""
        return await asyncio.to_thread(access.look_up, self._iot, certificate_id)

    async def active_certificates(self) -> set[str]:
        """Return the IDs of the certificates that are active now."""
        return await asyncio.to_thread(access.active_certificates, self._iot)

    async def refresh_rules(self) -> None:
        """Read the topic rules if they were not read lately."""
        if time.monotonic() - self._read_at < REFRESH_S / 2:
            return
        payloads = await asyncio.to_thread(self._read_rules)
        self._read_at = time.monotonic()
        if payloads != self._payloads:
            self._payloads, self._rules_by_topic = payloads, {}
            self._rules = tuple(filter(None, map(_compiled, payloads, payloads.values())))

    def rules_for(self, topic: str) -> tuple[Rule, ...]:
        """Return the rules whose topic filter matches."""
        found = self._rules_by_topic.get(topic)
        if found is None:
            found = tuple(rule for rule in self._rules if topic_matches_sub(rule.topic_filter, topic))
            self._rules_by_topic[topic] = found
        return found

    def _read_rules(self) -> dict[str, dict[str, Any]]:
        pages = self._iot.get_paginator("list_topic_rules").paginate()
        names = [rule["ruleName"] for page in pages for rule in page["rules"] if not rule.get("ruleDisabled")]
        return {name: self._iot.get_topic_rule(ruleName=name)["rule"] for name in names}


def _compiled(name: str, payload: dict[str, Any]) -> Rule | None:
    try:
        return compile_rule(name, payload)
    except UnsupportedSqlError as error:
        log.error("topic rule %s is left out: %s", name, error)
        return None
