"""Athena's workgroups, once: the CDK app and the local home make them of this.

The pipeline says itself where its results and tables lie, so its workgroup enforces nothing: Athena refuses a CREATE
TABLE AS with a location in a workgroup that enforces its own ("Override client-side settings"), and dbt would leave
the location out, so that a table lay among results, which expire. Everybody else gets one place, one key and a limit.
"""

from typing import Any

from infra.settings import CitySettings

ENGINE = "Athena engine version 3"
# Prefixes in the results bucket: whoever may read one does not read the others'.
PIPELINE_RESULTS = "athena/"
ANALYSTS_RESULTS = "analysts/"
PLANNERS_RESULTS = "planners/"


def workgroups(
    city: CitySettings, *, scan_limit_bytes: int | None = None, key_arn: str | None = None
) -> list[dict[str, Any]]:
    """Return the arguments of Athena's CreateWorkGroup for each workgroup.

    Results are encrypted with the key of `key_arn`; a query of a person or a dashboard that has scanned
    `scan_limit_bytes` is stopped. At home there is neither key nor bill.
    """
    limit = {} if scan_limit_bytes is None else {"BytesScannedCutoffPerQuery": scan_limit_bytes}
    return [
        _workgroup(city, city.workgroup, "Queries of the pipeline", PIPELINE_RESULTS, key_arn, enforced=False),
        _workgroup(city, city.analysts_workgroup, "Queries of analysts", ANALYSTS_RESULTS, key_arn, limit),
        _workgroup(city, city.planners_workgroup, "Queries of dashboards", PLANNERS_RESULTS, key_arn, limit),
    ]


def _workgroup(
    city: CitySettings,
    name: str,
    description: str,
    prefix: str,
    key_arn: str | None,
    limit: dict[str, int] | None = None,
    *,
    enforced: bool = True,
) -> dict[str, Any]:
    encryption = {"EncryptionConfiguration": {"EncryptionOption": "SSE_KMS", "KmsKey": key_arn}} if key_arn else {}
    return {
        "Name": name,
        "Description": description,
        "Configuration": {
            "ResultConfiguration": {"OutputLocation": f"s3://{city.results_bucket}/{prefix}", **encryption},
            "EnforceWorkGroupConfiguration": enforced,
            "PublishCloudWatchMetricsEnabled": True,
            "EngineVersion": {"SelectedEngineVersion": ENGINE},
            **(limit or {}),
        },
    }
