"""The whole app: what holds for every template of a stage."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App, Stack, Validations
from aws_cdk import aws_s3 as s3
from cdk_nag import AwsSolutionsChecks
from typer.testing import CliRunner

from dashboards.quicksight.datasets import of_athena
from dashboards.spec import load
from infra.alert_definitions import LIMITS
from infra.aws.app import synthesize
from infra.aws.stages import Stage
from infra.cli import app as cli
from infra.errors import UsageError
from infra.settings import CitySettings
from tests.infra.aws.templates import of_type, statements


def test_a_template_that_breaks_a_rule_is_not_synthesised(tmp_path):
    app = App(outdir=str(tmp_path))
    s3.Bucket(Stack(app, "Open"), "Bucket")
    Validations.of(app).add_plugins(AwsSolutionsChecks(app))
    with pytest.raises(RuntimeError, match="AwsSolutions-S10"):
        app.synth()


def test_everything_has_the_tags_of_its_stage(prod):
    untagged = [
        name
        for name, resource in prod.items()
        if resource["Type"] in ("AWS::S3::Bucket", "AWS::KMS::Key")
        and {"Key": "stage", "Value": "prod"} not in resource["Properties"].get("Tags", [])
    ]
    assert untagged == []


def test_no_template_holds_an_account(synthesized):
    for template in synthesized:
        # Not those of a hash, which may have twelve digits in a row.
        assert not re.search(r"(?<![\da-f])\d{12}(?![\da-f])", template.read_text())


def test_the_command_writes_the_templates_of_another_stage_and_says_where(tmp_path):
    shown = CliRunner().invoke(cli.app, ["synth", "--stage", "test", "--out", str(tmp_path)])
    assert shown.exit_code == 0
    assert {Path(line) for line in shown.stdout.splitlines()} == {
        tmp_path / f"trafficlake-test-{concern}.template.json"
        for concern in ("storage", "ingest", "lake", "alerts", "pipeline", "watch", "budget")
    }
    assert all(Path(line).exists() for line in shown.stdout.splitlines())


def test_a_stage_that_does_not_exist_is_answered_with_those_that_do(tmp_path):
    answer = CliRunner().invoke(cli.app, ["synth", "--stage", "nowhere", "--out", str(tmp_path)])
    assert isinstance(answer.exception, UsageError)
    assert "prod, test" in str(answer.exception)


def identity_statements(prod):
    for policy in of_type(prod, "AWS::IAM::Policy"):
        yield from statements(policy["Properties"]["PolicyDocument"])


# Actions for which AWS knows no resource.
WITHOUT_RESOURCE = ("logs:", "xray:", "cloudwatch:PutMetricData")


def test_no_role_may_act_on_everything_or_by_any_action(prod):
    for statement in identity_statements(prod):
        if "*" in statement["Resource"]:
            assert all(action.startswith(WITHOUT_RESOURCE) for action in statement["Action"])
        assert not [action for action in statement["Action"] if "*" in action]


def test_no_role_has_a_policy_that_is_not_in_the_template(prod):
    for role in of_type(prod, "AWS::IAM::Role"):
        assert "ManagedPolicyArns" not in role["Properties"]


# What cdk-nag finds and is as it should be; the reason is where the resource is made. Besides these only names that
# end in a `*` (IAM5), each with its reason.
SET_ASIDE = {
    ("KDF1", "Delivery/DeliveryStream"),
    ("KDS3", "Streams/Readings/Resource"),
    ("KDS3", "Streams/Segments/Resource"),
    ("IAM5[Resource::*]", "Hourly/Role/DefaultPolicy/Resource"),
    ("IAM5[Resource::*]", "Steps/Role/DefaultPolicy/Resource"),
    *(("L1", f"Functions/{name}/Resource") for name in LIMITS),
    ("SMG4", "Routes/WebhookKey/Resource"),
    ("SQS3", "Failed/Resource"),
    ("SQS3", "Undelivered/Resource"),
    *(("W9009", f"Data/{dataset.name}") for dataset in of_athena(load())),
    *(("E1029", f"Boards/{dashboard.name}{kind}") for dashboard in load().dashboards for kind in ("", "-analysis")),
    ("SQS3", "Unstarted/Resource"),
}


def test_rules_are_set_aside_for_single_resources_only(synthesized):
    report = json.loads(synthesized[0].with_name("validation-report.json").read_text())
    found = {
        (violation["ruleName"].removeprefix("AwsSolutions-"), construct["constructPath"].partition("/")[2])
        for plugin in report["pluginReports"]
        for violation in plugin["suppressedViolations"]
        for construct in violation["violatingConstructs"]
    }
    assert {each for each in found if not each[0].startswith("IAM5[Resource::arn:aws:")} == SET_ASIDE


def test_cfn_lint_finds_nothing(synthesized, tmp_path):
    # Stage prod, and the stage with what prod has not.
    further = Stage(city=CitySettings(stage="other"), sensors=1000, interval_s=60, keeps_data=False, data_events=True)
    templates = [*synthesized, *synthesize(further, tmp_path)]
    # W3005: the CDK says that a function waits for its role, which it refers to anyway.
    command = [Path(sys.executable).with_name("cfn-lint"), "--ignore-checks", "W3005", "--", *map(str, templates)]
    linted = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (linted.stdout, linted.returncode) == ("", 0)


def test_a_stage_that_keeps_its_data_is_not_deleted_by_mistake(synthesized):
    artifacts = json.loads(synthesized[0].with_name("manifest.json").read_text())["artifacts"].values()
    stacks = [each["properties"] for each in artifacts if each["type"] == "aws:cloudformation:stack"]
    assert len(stacks) == len(synthesized)
    assert all(stack["terminationProtection"] for stack in stacks)


def test_what_a_failed_deployment_made_does_not_stop_the_next_one(prod):
    assert {each.get("DeletionPolicy") for each in prod.values()} <= {None, "Delete", "RetainExceptOnCreate"}


def test_the_schedules_are_made_after_what_a_run_works_on_and_what_tells_that_it_failed(synthesized):
    artifacts = json.loads(synthesized[0].with_name("manifest.json").read_text())["artifacts"]
    needed = {f"trafficlake-prod-{concern}" for concern in ("storage", "ingest", "lake", "watch", "dashboards")}
    assert needed <= set(artifacts["trafficlake-prod-pipeline"]["dependencies"])


def test_everything_is_in_the_region_of_the_city(tmp_path):
    city = CitySettings(stage="south", region="eu-south-1", bucket_suffix="-roma")
    for template in synthesize(Stage(city=city, sensors=1000, interval_s=60, data_events=True), tmp_path):
        assert not re.search(r"\b(us|eu|ap)-(?!south-1)[a-z]+-\d", template.read_text())


def test_no_template_holds_a_secret(synthesized):
    texts = [template.read_text() for template in synthesized]
    assert not [text for text in texts if re.search(r"AKIA[0-9A-Z]{16}|PRIVATE KEY|\"SecretString\"", text)]
    # What is named like a secret refers to where it is kept: the only text is the name of a header.
    secret = re.compile("password|secret|token|credential|api_?key", re.IGNORECASE)
    found = [text for each in texts for name, text in named_texts(json.loads(each)["Resources"]) if secret.search(name)]
    assert set(found) == {"x-api-key"}


def named_texts(document, name=""):
    """Yield every text of a document after the name of what it is the value of."""
    parts = document.items() if isinstance(document, dict) else []
    parts = ((name, value) for value in document) if isinstance(document, list) else parts
    for key, value in parts:
        yield from named_texts(value, key)
    if isinstance(document, str):
        yield name, document
