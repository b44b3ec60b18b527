"""From the members of an API call to the CDK's names, so that one definition serves both."""

import re
from typing import Any

# The keys of these are names that we chose, not members of a structure.
_MAPS = ("Parameters", "InputPathsMap")


def cdk_names(value: Any) -> Any:  # noqa: ANN401 — whatever a definition holds
    """Return a definition in the words of the API (`RoleARN`) in those of the CDK's lowest level (`roleArn`)."""
    if isinstance(value, dict):
        return {_cdk_name(name): each if name in _MAPS else cdk_names(each) for name, each in value.items()}
    return [cdk_names(each) for each in value] if isinstance(value, list) else value


# What a name begins with in capitals: one letter, or all of an abbreviation (`KPIVisual`).
_BEGINNING = re.compile(r"[A-Z]+(?=[A-Z][a-z]|$)|[A-Z]")


def _cdk_name(name: str) -> str:
    name = _BEGINNING.sub(lambda found: found[0].lower(), name, count=1)
    return name[0] + name[1:].replace("ARN", "Arn").replace("DB", "Db")


def cdk_arguments(definition: dict[str, Any]) -> dict[str, Any]:
    """Return a definition as keyword arguments of a resource: its own members as Python writes them."""
    return {re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower(): cdk_names(value) for name, value in definition.items()}
