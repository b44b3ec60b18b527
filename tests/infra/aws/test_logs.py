"""No log is kept for ever: what writes one writes to a group of the template, and each group has its retention."""

import pytest

from infra.aws.stages import STAGES
from tests.infra.aws.templates import Resources, flat, of_type

# Where a resource of a type says which group it writes to. Without it AWS makes one, which keeps everything.
WRITES = {
    "AWS::Lambda::Function": lambda properties: [properties["LoggingConfig"]["LogGroup"]],
    "AWS::KinesisFirehose::DeliveryStream": lambda properties: [
        part["CloudWatchLoggingOptions"]["LogGroupName"]
        for destination in (properties["ExtendedS3DestinationConfiguration"],)
        for part in (destination, destination["S3BackupConfiguration"])
    ],
    "AWS::CodeBuild::Project": lambda properties: [properties["LogsConfig"]["CloudWatchLogs"]["GroupName"]],
    "AWS::StepFunctions::StateMachine": lambda properties: [
        destination["CloudWatchLogsLogGroup"]["LogGroupArn"]
        for destination in properties["LoggingConfiguration"]["Destinations"]
    ],
}


def groups(prod: Resources) -> set[str]:
    """Return the groups of the templates, by their names and by how a template refers to them."""
    named = {name: each for name, each in prod.items() if each["Type"] == "AWS::Logs::LogGroup"}
    return {f"<{name}>" for name in named} | {flat(each["Properties"]["LogGroupName"]) for each in named.values()}


def test_every_group_keeps_its_logs_as_long_as_the_stage_says(prod):
    kept = {
        flat(each["Properties"]["LogGroupName"]): each["Properties"] for each in of_type(prod, "AWS::Logs::LogGroup")
    }
    assert kept
    assert STAGES["prod"].log_retention == "ONE_WEEK"
    assert {name: each.get("RetentionInDays") for name, each in kept.items()} == dict.fromkeys(kept, 7)


@pytest.mark.parametrize("kind", WRITES)
def test_what_writes_a_log_writes_to_such_a_group(prod, kind):
    known = groups(prod)
    for resource in of_type(prod, kind):
        for group in map(flat, WRITES[kind](resource["Properties"])):
            assert group.removesuffix(":*").replace(".Arn>", ">") in known
