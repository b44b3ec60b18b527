"""The environment of home `local`: whatever the user has set, AWS clients reach the endpoint of this machine only."""

import os
from urllib.parse import urlsplit

import boto3

LOOPBACK = ("127.0.0.1", "localhost", "::1")
THROW_AWAY_KEY = "trafficlake-local"
# The endpoint's own engines look for everything in this one, whatever region the city has on AWS.
LOCAL_REGION = "us-east-1"
# Whatever could lead an AWS client to an account, a role or an endpoint other than the local one.
LEADS_ELSEWHERE = (
    "AWS_PROFILE",
    "AWS_DEFAULT_PROFILE",
    "AWS_SESSION_TOKEN",
    "AWS_SECURITY_TOKEN",
    "AWS_CREDENTIAL_EXPIRATION",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_USE_FIPS_ENDPOINT",
    "AWS_USE_DUALSTACK_ENDPOINT",
    "AWS_S3_USE_ARN_REGION",
    "AWS_CA_BUNDLE",
)


def leads_elsewhere(name: str) -> bool:
    """Tell whether a variable could lead an AWS client, or awswrangler, to something other than the local endpoint."""
    return (
        name in LEADS_ELSEWHERE
        or name.startswith("AWS_ENDPOINT_URL_")
        or (name.startswith("WR_") and name.endswith("_ENDPOINT_URL"))
    )


def local_environment(endpoint_url: str) -> dict[str, str]:
    """Return the variables that point every AWS client at the local endpoint.

    Raises ValueError for an endpoint that is not on this machine: home `local` can never reach an AWS account.
    """
    host = urlsplit(endpoint_url).hostname
    if host not in LOOPBACK:
        raise ValueError(f"the local endpoint must be on this machine, not on {host!r}")
    without_proxy = ",".join(dict.fromkeys([*filter(None, os.environ.get("NO_PROXY", "").split(",")), *LOOPBACK]))
    return {
        "AWS_ENDPOINT_URL": endpoint_url,
        "AWS_REGION": LOCAL_REGION,
        "AWS_DEFAULT_REGION": LOCAL_REGION,
        "AWS_ACCESS_KEY_ID": THROW_AWAY_KEY,
        "AWS_SECRET_ACCESS_KEY": THROW_AWAY_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "NO_PROXY": without_proxy,
        "no_proxy": without_proxy,
    }


def use_local_home(endpoint_url: str) -> None:
    """Point this process and its children at the local endpoint, whatever the user's own AWS set-up says.

    Raises ValueError for an endpoint that is not on this machine.
    """
    wanted = local_environment(endpoint_url)
    for name in filter(leads_elsewhere, list(os.environ)):
        del os.environ[name]
    os.environ.update(wanted)
    # A session that was made before holds the credentials of then.
    boto3.DEFAULT_SESSION = None
