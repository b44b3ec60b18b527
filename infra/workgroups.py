"""Athena's workgroups, once: the CDK app and the local home make them of this.

The pipeline says itself where its results and tables lie, so its workgroup enforces nothing: Athena refuses a CREATE
TABLE AS with a location in a workgroup that enforces its own ("Override client-side settings"), and dbt would leave
the location out, so that a table lay among results, which expire. Everybody else gets one place, one key and a limit.
"""

from typing import Any

from infra.settings import CitySettings

# Prefixes in the results bucket: whoever may read one does not read the others'.
PIPELINE_RESULTS = "athena/"
ANALYSTS_RESULTS = "analysts/"
PLANNERS_RESULTS = "planners/"


def workgroups(
    city: CitySettings,
    *,
    scan_limit_bytes: int | None = None,
    pipeline_scan_limit_bytes: int | None = None,
    key_arn: str | None = None,
) -> list[dict[str, Any]]:
    """Return the arguments of Athena's CreateWorkGroup for each workgroup.

    Results are encrypted with the key of `key_arn`; a query of a person or a dashboard that has scanned
    `scan_limit_bytes` is stopped, one of the pipeline at `pipeline_scan_limit_bytes`. At home there is neither key nor
    bill.
    """
    encryption = {"EncryptionOption": "SSE_KMS", "KmsKey": key_arn}
    common = {
        "PublishCloudWatchMetricsEnabled": True,
        "EngineVersion": {"SelectedEngineVersion": "Athena engine version 3"},
    }

    def limit(most: int | None) -> dict[str, int]:
        return {} if most is None else {"BytesScannedCutoffPerQuery": most}

    def results(prefix: str) -> dict[str, Any]:
        location = {"OutputLocation": f"s3://{city.results_bucket}/{prefix}"}
        return {"ResultConfiguration": location | ({"EncryptionConfiguration": encryption} if key_arn else {})}

    enforced = {"EnforceWorkGroupConfiguration": True, **limit(scan_limit_bytes)}
    return [
        {
            "Name": city.workgroup,
            "Description": "Queries of the pipeline",
            "Configuration": {
                **results(PIPELINE_RESULTS),
                "EnforceWorkGroupConfiguration": False,
                **limit(pipeline_scan_limit_bytes),
                **common,
            },
        },
        {
            "Name": city.analysts_workgroup,
            "Description": "Queries of analysts",
            "Configuration": {**results(ANALYSTS_RESULTS), **enforced, **common},
        },
        {
            "Name": city.planners_workgroup,
            "Description": "Queries of planners and of the dashboards that they look at",
            "Configuration": {**results(PLANNERS_RESULTS), **enforced, **common},
        },
    ]
