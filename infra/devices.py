"""What `trafficlake devices` does: certificates for devices, through the IoT API of the home."""

import os
import shlex
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import certifi
import orjson
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from infra.errors import FailedError, UsageError
from infra.home.devices import policy_name, thing_type
from infra.settings import CitySettings
from ingestion.devices.access import SENSORS_TOPIC, device_id_problem

# What devices on AWS check the endpoint against ("Server authentication in AWS IoT Core").
AMAZON_ROOTS = "Amazon Root CA"
MQTT_PORT = 8883
FILES = ("ca.pem", "cert.pem", "key.pem")
LISTING_THREADS = 8
# "It might take several seconds for the detachment to propagate" (DetachThingPrincipal).
DETACHING_WAIT_S, DETACHING_WAITS = 1.0, 30
COLUMNS = ("device_id", "certificate_id", "status", "since", "last_seen")


@dataclass(frozen=True)
class DeviceRow:
    """A device as `devices list` shows it; `since` is when its newest certificate was made."""

    device_id: str
    certificate_id: str | None
    status: str
    since: datetime | None
    last_seen: datetime | None


def mqtt_address() -> tuple[str, int]:
    """Return host and port of the home's MQTT endpoint."""
    address = boto3.client("iot").describe_endpoint(endpointType="iot:Data-ATS")["endpointAddress"]
    host, _, port = address.partition(":")
    return host, int(port or MQTT_PORT)


def amazon_roots() -> str:
    """Return the PEM of Amazon's root certificates, out of the bundle of public ones."""
    trusted = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    trusted.load_verify_locations(certifi.where())
    names = [dict(pair for part in root["subject"] for pair in part) for root in trusted.get_ca_certs()]
    roots = zip(names, trusted.get_ca_certs(binary_form=True), strict=True)
    return "".join(
        ssl.DER_cert_to_PEM_cert(root) for name, root in roots if name.get("commonName", "").startswith(AMAZON_ROOTS)
    )


def check_device_id(device_id: str) -> None:
    """Raise UsageError for an ID that no device can have."""
    if problem := device_id_problem(device_id):
        raise UsageError(f"{device_id!r} cannot be used: {problem}.")


def provision(  # noqa: PLR0913 — the device, its files, its home
    device_id: str, folder: Path, interval_s: int, authorities: str, city: CitySettings, *, rotate: bool = False
) -> None:
    """Make a certificate for a device and write ca.pem, cert.pem and key.pem into `folder`; the key is made here.

    The certificate becomes active last, so that what fails in between leaves nothing that works. Raises UsageError for
    an ID that cannot be used, for files that exist, and, unless it is to `rotate`, where one is active already.
    """
    check_device_id(device_id)
    _prepare(folder)
    iot = boto3.client("iot")
    iot.create_thing(thingName=device_id, thingTypeName=thing_type(city))
    if not rotate and any(certificate["status"] == "ACTIVE" for certificate in _certificates(iot, device_id)):
        raise UsageError(
            f"{device_id} has an active certificate: `trafficlake devices revoke {device_id}` first, or pass --rotate "
            "to make another one beside it."
        )
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = iot.create_certificate_from_csr(certificateSigningRequest=_signing_request(key, device_id))
    principal = certificate["certificateArn"]
    iot.attach_policy(policyName=policy_name(city), target=principal)
    # Exclusively: only then the policy knows the thing behind any client ID.
    iot.attach_thing_principal(thingName=device_id, principal=principal, thingPrincipalType="EXCLUSIVE_THING")
    boto3.client("iot-data").update_thing_shadow(
        thingName=device_id, payload=orjson.dumps({"state": {"desired": {"reporting_interval_s": interval_s}}})
    )
    _write_key(folder / "key.pem", key)
    (folder / "cert.pem").write_text(certificate["certificatePem"])
    (folder / "ca.pem").write_text(authorities)
    iot.update_certificate(certificateId=certificate["certificateId"], newStatus="ACTIVE")


def _prepare(folder: Path) -> None:
    for name in FILES:
        if (folder / name).exists():
            raise UsageError(f"{folder / name} exists and is not overwritten: choose another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{folder} cannot be made: {error.strerror}.") from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"{folder} cannot be written to.")


def _signing_request(key: ec.EllipticCurvePrivateKey, device_id: str) -> str:
    # A common name has at most 64 characters; the thing, not the name, says whose the certificate is.
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, device_id[:64])])
    request = x509.CertificateSigningRequestBuilder().subject_name(subject).sign(key, hashes.SHA256())
    return request.public_bytes(serialization.Encoding.PEM).decode()


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    # Nobody else may read it, from its first byte on.
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(pem)


def _certificates(iot: Any, device_id: str) -> Iterator[dict[str, Any]]:  # noqa: ANN401 — boto3 clients have no type
    pages = iot.get_paginator("list_thing_principals").paginate(thingName=device_id)
    for page in pages:
        for principal in page["principals"]:
            certificate_id = principal.rpartition("/")[2]
            yield iot.describe_certificate(certificateId=certificate_id)["certificateDescription"]


def revoke(device_id: str, *, keep_newest: bool = False) -> int:
    """Revoke all certificates of a device, or all but the newest; return how many of them were active.

    Raises UsageError for an unknown ID.
    """
    iot = boto3.client("iot")
    certificates = _known_certificates(iot, device_id)
    standing = _not_revoked(certificates)
    if keep_newest:
        standing = sorted(standing, key=lambda certificate: certificate["creationDate"])[:-1]
    _revoke(iot, standing)
    return sum(certificate["status"] == "ACTIVE" for certificate in standing)


def remove(device_id: str) -> None:
    """Revoke and delete all certificates of a device, and the device.

    The stack cannot go while a device uses its policy and thing type. Raises UsageError for an unknown ID, and
    FailedError, with what is left, where AWS takes too long to detach a certificate.
    """
    iot = boto3.client("iot")
    certificates = _known_certificates(iot, device_id)
    _revoke(iot, _not_revoked(certificates))
    for certificate in certificates:
        principal = certificate["certificateArn"]
        for policy in iot.list_attached_policies(target=principal)["policies"]:
            iot.detach_policy(policyName=policy["policyName"], target=principal)
        iot.detach_thing_principal(thingName=device_id, principal=principal)
        certificate_id = certificate["certificateId"]
        # Detached, it is no longer found by its device.
        go_on = f"it is revoked; later, `aws iot delete-certificate --certificate-id {certificate_id}` deletes it."
        _delete_detached(iot, partial(iot.delete_certificate, certificateId=certificate_id), go_on)
    go_on = f"its certificates are deleted; later, `trafficlake devices remove {device_id}` deletes it."
    _delete_detached(iot, partial(iot.delete_thing, thingName=device_id), go_on)


def _delete_detached(iot: Any, delete: Callable[[], object], go_on: str) -> None:  # noqa: ANN401 — boto3 clients have no type
    """Delete what was detached just now, which takes AWS several seconds; raises FailedError where it takes longer."""
    for wait_s in (*[DETACHING_WAIT_S] * DETACHING_WAITS, None):
        try:
            delete()
        except (iot.exceptions.DeleteConflictException, iot.exceptions.InvalidRequestException) as error:
            if wait_s is None:
                raise FailedError(f"{error}. AWS has not detached it yet: {go_on}") from error
            time.sleep(wait_s)
        else:
            return


def _not_revoked(certificates: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [certificate for certificate in certificates if certificate["status"] != "REVOKED"]


def _revoke(iot: Any, certificates: list[dict[str, Any]]) -> None:  # noqa: ANN401 — boto3 clients have no type
    for certificate in certificates:
        iot.update_certificate(certificateId=certificate["certificateId"], newStatus="REVOKED")


def _known_certificates(iot: Any, device_id: str) -> list[dict[str, Any]]:  # noqa: ANN401 — boto3 clients have no type
    try:
        return list(_certificates(iot, device_id))
    except iot.exceptions.ResourceNotFoundException as error:
        raise UsageError(f"there is no device {device_id}: see `trafficlake devices list`.") from error


def list_devices(city: CitySettings) -> list[DeviceRow]:
    """Return all devices of the deployment by ID, each with its newest certificate."""
    iot, data = boto3.client("iot"), boto3.client("iot-data")
    pages = iot.get_paginator("list_things").paginate(thingTypeName=thing_type(city))
    ids = sorted(thing["thingName"] for page in pages for thing in page["things"])
    with ThreadPoolExecutor(LISTING_THREADS) as threads:
        return list(threads.map(partial(_row, iot, data), ids))


def _row(iot: Any, data: Any, device_id: str) -> DeviceRow:  # noqa: ANN401 — boto3 clients have no type
    certificates = list(_certificates(iot, device_id))
    newest = max(certificates, key=lambda certificate: certificate["creationDate"], default=None)
    seen = _last_seen(data, device_id)
    if newest is None:
        return DeviceRow(device_id, None, "NONE", None, seen)
    return DeviceRow(device_id, newest["certificateId"], newest["status"], newest["creationDate"].astimezone(UTC), seen)


def _last_seen(data: Any, device_id: str) -> datetime | None:  # noqa: ANN401 — boto3 clients have no type
    """Return when the device last connected or left, which a rule writes into its shadow."""
    try:
        shadow = orjson.loads(data.get_thing_shadow(thingName=device_id)["payload"].read())
    except data.exceptions.ResourceNotFoundException:
        return None
    seen_ms = shadow["state"].get("reported", {}).get("last_seen_ms")
    return datetime.fromtimestamp(seen_ms / 1000, UTC) if isinstance(seen_ms, int | float) else None


def as_json(rows: Iterable[DeviceRow]) -> str:
    """Return devices as a JSON list of objects; times are ISO 8601 in UTC."""
    return orjson.dumps(list(rows), option=orjson.OPT_INDENT_2 | orjson.OPT_UTC_Z).decode()


def as_cells(row: DeviceRow) -> tuple[object, ...]:
    """Return a device as a row of a table: its certificate by the first characters of its ID, times to the second."""
    short = row.certificate_id and row.certificate_id[:12]
    times = [f"{time:%Y-%m-%d %H:%M:%SZ}" if time else None for time in (row.since, row.last_seen)]
    return row.device_id, short, row.status, *times


def next_step(device_id: str, folder: Path, host: str, port: int) -> str:
    """Return what to do with a device's files, with a command that sends its first reading."""
    reading = orjson.dumps({"sensor_id": device_id, "vehicle_count": 12, "avg_speed": 54.0}).decode()
    files = [shlex.quote(str(folder / name)) for name in FILES]
    return (
        f"wrote {', '.join(FILES)} to {folder}: put them on the device, which publishes on "
        f"{SENSORS_TOPIC}/{device_id} at {host}:{port}. To try it:\n"
        f"  mosquitto_pub -h {host} -p {port} --cafile {files[0]} --cert {files[1]} --key {files[2]} "
        f"-q 1 -t {SENSORS_TOPIC}/{device_id} -m {shlex.quote(reading)}"
    )
