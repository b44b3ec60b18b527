"""By what access keys the endpoint tells who calls it. It takes any key, so a key is a name."""

from collections.abc import Mapping

SERVICE_KEY = "trafficlake-service"
# Athena reads and writes with the permissions of who queries.
ATHENA_KEY = f"{SERVICE_KEY}-athena"


def keys(principal: str) -> dict[str, str]:
    """Return boto3's arguments by which the endpoint's own parts call it for another: a function, or a service.

    As on AWS, what has a role has a session token too.
    """
    return {
        "aws_access_key_id": principal,
        "aws_secret_access_key": SERVICE_KEY,
        "aws_session_token": SERVICE_KEY,
    }


def is_own(headers: Mapping[str, str]) -> bool:
    """Tell whether a call is the endpoint's own: such do not count as use of it."""
    signed = headers.get("authorization", "")
    is_service = any(f"Credential={key}/" in signed for key in (SERVICE_KEY, ATHENA_KEY))
    return is_service or headers.get("x-amz-security-token") == SERVICE_KEY
