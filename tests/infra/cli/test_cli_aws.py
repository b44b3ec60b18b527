"""Nothing is brought to, or deleted from, an account that nobody named; and the toolkit that would do it is there."""

import os
import re
import subprocess

import boto3
import pytest
from typer.testing import CliRunner

from infra import account
from infra.account import Account
from infra.aws import toolkit
from infra.aws.app import synthesize
from infra.aws.stages import STAGES
from infra.cli import app as cli
from infra.cli import aws
from infra.errors import FailedError, UsageError
from infra.home.environment import LEADS_ELSEWHERE

NUMBER = "123456789012"
FOUND = Account(NUMBER, f"arn:aws:sts::{NUMBER}:assumed-role/operators/someone")
COMMANDS = pytest.mark.parametrize("command", ["deploy", "destroy"])


@pytest.fixture(autouse=True)
def nobody_signed_in(monkeypatch):
    """Let AWS clients find no credentials and no endpoint, and let the toolkit never run."""
    for name in [*LEADS_ELSEWHERE, *os.environ]:
        if name.startswith("AWS_"):
            monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, os.devnull)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setattr(boto3, "DEFAULT_SESSION", None)
    monkeypatch.setattr(toolkit, "run", lambda *_, **__: pytest.fail("the toolkit was called"))


@pytest.fixture
def signed_in(monkeypatch):
    """Credentials of an account: what AWS would answer to them cannot be asked here."""
    monkeypatch.setattr(account, "current", lambda _region: FOUND)


def answer(*arguments, typed=""):
    return CliRunner().invoke(cli.app, arguments, input=typed)


@COMMANDS
@pytest.mark.parametrize("name", ["AWS_ENDPOINT_URL", "AWS_ENDPOINT_URL_CLOUDFORMATION"])
def test_a_local_endpoint_is_no_account(command, name, monkeypatch, signed_in):
    monkeypatch.setenv(name, "http://127.0.0.1:4566")
    refused = answer(command, "--stage", "test", "--yes", "--account", NUMBER).exception
    assert isinstance(refused, UsageError)
    assert name in str(refused)


def test_an_endpoint_of_a_profile_is_no_account_either(monkeypatch, tmp_path):
    (tmp_path / "config").write_text(
        "[default]\naws_access_key_id = a\naws_secret_access_key = b\nendpoint_url = http://127.0.0.1:9\n"
    )
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    with pytest.raises(UsageError, match=r"127\.0\.0\.1, which is not AWS"):
        account.current("us-east-1")


def test_a_region_of_another_partition_is_refused(monkeypatch):
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "b")
    with pytest.raises(UsageError, match=r"sts\.cn-north-1\.amazonaws\.com\.cn, .* China's"):
        account.current("cn-north-1")


@COMMANDS
def test_without_credentials_it_says_what_to_do(command):
    failed = answer(command, "--stage", "prod").exception
    assert isinstance(failed, FailedError)
    assert "aws sso login" in str(failed)


def test_a_profile_that_does_not_exist_is_named(monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "nowhere")
    with pytest.raises(FailedError, match=r"nowhere.*aws sso login"):
        account.current("us-east-1")


@COMMANDS
def test_yes_alone_is_not_enough(command, signed_in):
    assert "--account" in str(answer(command, "--stage", "test", "--yes").exception)


@COMMANDS
@pytest.mark.parametrize("yes", [(), ("--yes",)])
def test_credentials_of_another_account_are_refused(command, yes, signed_in):
    refused = answer(command, "--stage", "test", "--account", "999999999999", *yes).exception
    assert isinstance(refused, UsageError)
    assert NUMBER in str(refused)


@COMMANDS
def test_a_stage_that_does_not_exist_is_answered_with_those_that_do(command, signed_in):
    assert "prod, test" in str(answer(command, "--stage", "nowhere").exception)


@pytest.mark.parametrize("typed", ["", "y", "yes", NUMBER[:-1], "999999999999"])
def test_only_the_number_of_the_account_is_a_yes(typed):
    with pytest.raises(UsageError, match="Nothing was done"):
        aws.confirm("deploy", "prod", {}, FOUND, typed)


def test_the_number_of_the_account_is_a_yes(capsys):
    aws.confirm("deploy", "prod", {"us-east-1": ["trafficlake-prod-storage"]}, FOUND, NUMBER)
    shown = " ".join(capsys.readouterr().err.split())
    assert f"account {NUMBER}" in shown
    assert "us-east-1: trafficlake-prod-storage" in shown


def test_a_region_that_is_not_prepared_is_answered_with_the_command(signed_in, monkeypatch):
    # There is no account to ask.
    monkeypatch.setattr(account, "is_bootstrapped", lambda region: region != "us-east-1")
    failed = answer("deploy", "--stage", "test", "--yes", "--account", NUMBER).exception
    assert f"npx {toolkit.PACKAGE} bootstrap aws://{NUMBER}/us-east-1" in str(failed)


def test_the_addresses_of_the_example_are_not_deployed(signed_in):
    refused = answer("deploy", "--stage", "prod", "--yes", "--account", NUMBER).exception
    assert isinstance(refused, UsageError)
    for address in ("lake-operators@example.org", "traffic-operators@example.org", "https://control-room.example.org/"):
        assert address in str(refused)
    assert "infra/aws/stages.py" in str(refused)


def test_stacks_whose_first_deployment_failed_are_answered_with_the_commands_that_let_it_be_tried_again(
    signed_in, monkeypatch
):
    monkeypatch.setattr(account, "is_bootstrapped", lambda _region: True)
    monkeypatch.setattr(
        account, "unfinished_protected_stacks", lambda _region, names: [name for name in names if "ingest" in name]
    )
    answered = answer("deploy", "--stage", "test", "--yes", "--account", NUMBER).exception
    assert isinstance(answered, FailedError)
    assert re.search(
        r"update-termination-protection --no-enable-termination-protection --region us-east-1 "
        r"--stack-name trafficlake-test-ingest$",
        str(answered),
    )


def test_protected_stacks_are_answered_with_the_commands_that_lift_it(signed_in, monkeypatch):
    monkeypatch.setattr(account, "protected_stacks", lambda region, names: [name for name in names if "ingest" in name])
    answered = answer("destroy", "--stage", "prod", "--yes", "--account", NUMBER)
    assert "buckets, streams, tables and keys" in " ".join(answered.output.split())
    assert re.search(
        r"update-termination-protection --no-enable-termination-protection --region us-east-1 "
        r"--stack-name trafficlake-prod-ingest$",
        str(answered.exception),
    )


@pytest.mark.parametrize(
    ("verb", "yes", "expected"),
    [
        ("deploy", False, ["deploy", "--all"]),
        ("deploy", True, ["deploy", "--all", "--require-approval", "never"]),
        ("destroy", True, ["destroy", "--all", "--force"]),
        ("list", False, ["list"]),
    ],
)
def test_the_toolkit_gets_the_folder_and_asks_only_where_somebody_answers(tmp_path, verb, yes, expected):
    node, npx, *rest = toolkit.command(verb, tmp_path, yes=yes)
    assert os.access(node, os.X_OK)
    assert os.path.exists(npx)  # noqa: PTH110
    assert rest[:2] == ["--yes", toolkit.PACKAGE]
    ours = [part for part in rest[2:] if part not in ("--no-notices", "--no-version-reporting")]
    folder = ours.index("--app")
    assert ours[folder + 1] == str(tmp_path)
    assert ours[:folder] + ours[folder + 2 :] == expected


@pytest.mark.slow
def test_the_toolkit_reads_the_templates_which_are_for_one_account_only(tmp_path):
    synthesize(STAGES["test"], tmp_path, NUMBER)
    listed = subprocess.run(
        toolkit.command("list", tmp_path), env=toolkit.environment(), capture_output=True, text=True, check=True
    )
    by_region = toolkit.stacks_by_region(tmp_path)
    assert sorted(listed.stdout.split()) == sorted(name for names in by_region.values() for name in names)
    manifest = (tmp_path / "manifest.json").read_text()
    assert f"aws://{NUMBER}/us-east-1" in manifest
    assert "unknown-account" not in manifest
