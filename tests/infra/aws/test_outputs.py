"""What an operator is told of each stack is what the stack made."""

import json
import re
from pathlib import Path

import pytest

from infra.aws.stages import STAGES
from tests.infra.aws.templates import flat

CITY = STAGES["prod"].city
HANDBOOK = Path(__file__).parents[3] / "docs" / "operate.md"
# (stack, output) → the name that the resource has, or the value itself.
TOLD = {
    ("storage", "RawBucket"): CITY.raw_bucket,
    ("storage", "LakeBucket"): CITY.lake_bucket,
    ("storage", "ResultsBucket"): CITY.results_bucket,
    ("storage", "DocsBucket"): CITY.docs_bucket,
    ("ingest", "ReadingsStream"): CITY.stream,
    ("ingest", "SegmentStream"): CITY.segment_stream,
    ("ingest", "DeliveryStream"): CITY.delivery_stream,
    ("ingest", "DevicePolicy"): "trafficlake-prod-device",
    ("ingest", "DeviceThingType"): "trafficlake-prod-sensor",
    ("lake", "AnalystsWorkgroup"): CITY.analysts_workgroup,
    ("lake", "AnalystsPolicy"): "trafficlake-prod-analysts-us-east-1",
    ("lake", "PlannersWorkgroup"): CITY.planners_workgroup,
    ("lake", "PlannersPolicy"): "trafficlake-prod-planners-us-east-1",
    ("lake", "PipelineWorkgroup"): "trafficlake-prod",
    ("lake", "CurateReadingsJob"): "trafficlake-prod-curate-readings",
    ("lake", "Rollup5MinJob"): "trafficlake-prod-rollup-5min",
    ("lake", "CongestionEpisodesJob"): "trafficlake-prod-congestion-episodes",
    ("lake", "MaintainTablesJob"): "trafficlake-prod-maintain-tables",
    ("alerts", "StateTable"): CITY.state_table,
    ("alerts", "Bus"): CITY.alert_bus,
    ("alerts", "FailedQueue"): CITY.failed_queue,
    ("alerts", "UndeliveredQueue"): CITY.undelivered_queue,
    ("alerts", "TopicOperators"): f"{CITY.alert_bus}-operators",
    ("alerts", "TopicControlRoom"): f"{CITY.alert_bus}-control-room",
    ("alerts", "WebhookSecret"): CITY.webhook_secret,
}


@pytest.fixture(scope="module")
def templates(synthesized):
    return {
        path.name.removeprefix("trafficlake-prod-").partition(".")[0]: json.loads(path.read_text())
        for path in synthesized
    }


@pytest.mark.parametrize(("stack", "name"), TOLD)
def test_it_tells_the_name_of_the_resource(templates, stack, name):
    template = templates[stack]
    value = flat(template["Outputs"][name]["Value"])
    if referred := re.fullmatch(r"<(\w+)>", value):
        names = template["Resources"][referred[1]]["Properties"]
        assert TOLD[stack, name] in [each for key, each in names.items() if key.endswith("Name") or key == "Name"]
    else:
        assert value == TOLD[stack, name]


def test_the_handbook_asks_for_outputs_that_there_are(templates):
    asked = re.findall(r"\$\(output (\w+) (\w+)\)", HANDBOOK.read_text())
    assert asked
    assert [(stack, name) for stack, name in asked if name not in templates[stack]["Outputs"]] == []


def test_every_output_of_ours_says_what_it_is(templates):
    for template in templates.values():
        told = template.get("Outputs", {}).items()
        own = {name: each for name, each in told if not name.startswith("Exports")}
        assert all(each.get("Description") for each in own.values())
