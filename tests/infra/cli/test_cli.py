"""What the command says and how it ends, and that the local home cannot lead anywhere but to this machine."""

import gzip
import os
import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

import awswrangler as wr
import boto3
import pytest
from typer.main import get_command
from typer.testing import CliRunner

from infra.aws.stages import STAGES
from infra.cli import app as cli
from infra.cli import home as cli_home
from infra.home.environment import THROW_AWAY_KEY, leads_elsewhere, use_local_home
from infra.local import process
from infra.settings import settings
from ingestion.iceberg_catalog import open_catalog

AWS = "https://s3.us-east-1.amazonaws.com"
LEADING_ELSEWHERE = {
    "AWS_PROFILE": "production",
    "AWS_DEFAULT_PROFILE": "production",
    "AWS_ACCESS_KEY_ID": "AKIAREALLOOKINGKEY01",
    "AWS_SECRET_ACCESS_KEY": "a-secret",
    "AWS_SESSION_TOKEN": "a-token",
    "AWS_ENDPOINT_URL": "https://aws.example",
    "AWS_ENDPOINT_URL_S3": AWS,
    "AWS_ENDPOINT_URL_GLUE": "https://glue.us-east-1.amazonaws.com",
    "AWS_ENDPOINT_URL_ATHENA": "https://athena.us-east-1.amazonaws.com",
    "AWS_ENDPOINT_URL_KINESIS": "https://kinesis.us-east-1.amazonaws.com",
    "AWS_IGNORE_CONFIGURED_ENDPOINT_URLS": "true",
    "AWS_USE_FIPS_ENDPOINT": "true",
    "AWS_USE_DUALSTACK_ENDPOINT": "true",
    "AWS_ROLE_ARN": "arn:aws:iam::123456789012:role/production",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/nowhere",
    "WR_S3_ENDPOINT_URL": AWS,
    "WR_ATHENA_ENDPOINT_URL": "https://athena.us-east-1.amazonaws.com",
    "HTTP_PROXY": "http://proxy.example:3128",
    "HTTPS_PROXY": "http://proxy.example:3128",
}
SERVICES = ("s3", "glue", "athena", "kinesis", "firehose", "iam", "sts", "dynamodb")


@pytest.fixture(autouse=True)
def kept_environment():
    """Put back what a command changes of this process: its environment, settings and AWS session."""
    before = dict(os.environ)
    settings.cache_clear()
    yield
    os.environ.clear()
    os.environ.update(before)
    settings.cache_clear()
    boto3.DEFAULT_SESSION = None


@pytest.fixture
def trafficlake(monkeypatch, capsys):
    """Run the command in this process; returns its exit code and what it wrote to both streams."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["trafficlake", *arguments])
        monkeypatch.setenv("COLUMNS", "200")
        with pytest.raises(SystemExit) as ending:
            cli.main()
        said = capsys.readouterr()
        return int(ending.value.code or 0), said.out, said.err

    return run


@pytest.fixture(scope="module")
def own_endpoint(run_endpoint, tmp_path_factory):
    """A running endpoint without Athena: its state folder and its address."""
    folder = tmp_path_factory.mktemp("cli").resolve()
    with run_endpoint(folder, "--no-athena") as (url, _):
        yield folder, url


@pytest.fixture
def at_home(own_endpoint, monkeypatch) -> str:
    """Let commands find the running endpoint; returns its address."""
    folder, url = own_endpoint
    monkeypatch.setenv("TRAFFICLAKE_STATE_DIR", str(folder))
    return url


@pytest.fixture
def nowhere(tmp_path, monkeypatch) -> Path:
    """A state folder where no endpoint runs, and none may be started: what is unusable is refused before."""

    def start(*_: object, **__: object) -> None:
        raise AssertionError("an endpoint was started")

    monkeypatch.setattr(process, "start", start)
    monkeypatch.setattr(cli_home, "fetch_tools", start)
    monkeypatch.setenv("TRAFFICLAKE_STATE_DIR", str(tmp_path / "state"))
    return tmp_path


def commands() -> list[tuple[str, ...]]:
    found = get_command(cli.app).commands
    return sorted(
        names
        for name, each in found.items()
        for names in ([(name, command) for command in each.commands] if hasattr(each, "commands") else [(name,)])
    )


def one_sentence(text: str) -> bool:
    return len(text.strip().splitlines()) == 1 and text.strip()[-1] in ".!" and "Traceback" not in text


BACKTEST = ("alerts", "backtest")
HELP_TEACHES = {
    "local": ".trafficlake/",
    "registry load": "sensor_id, segment_id, length_km, interval_s",
    "ingest": "trafficlake ingest readings.jsonl.gz --via archive",
    "alerts backtest": "trafficlake alerts backtest --from 2026-03-02 --to 2026-03-09 --warning 75",
    "alerts episodes": "trafficlake alerts episodes --from 2026-03-02 --to 2026-03-09",
    "alerts list": "the worst first",
    "alerts redeliver": "a second time",
    "alerts replay": "--from 2026-03-02T07:00 --to 2026-03-02T09:00 --route centre",
    "alerts watch": "until Ctrl-C",
    "devices list": "status of their newest certificate",
    "devices provision": "trafficlake devices provision sensor-17 --out certs/sensor-17",
    "devices remove": "trafficlake devices remove sensor-17",
    "devices revoke": "disconnected within seconds",
    "plan": "trafficlake plan --sensors 50000 --interval 20s",
    "run": "trafficlake run --from 2026-03-02T07:00 --to 2026-03-02T09:00",
    "query": "marts.congestion_hourly",
    "dashboard": "trafficlake dashboard --open",
    "env": 'eval "$(trafficlake env)"',
    "status": "reconciliation",
    "demo": "simulated city",
    "tables restore": "trafficlake tables restore marts.congestion_daily --snapshot",
    "tables snapshots": "for version as of SNAPSHOT",
    "deploy": "trafficlake deploy --stage",
    "destroy": "trafficlake destroy --stage",
    "synth": "trafficlake synth --stage prod --out build/prod",
}


@pytest.mark.parametrize("command", HELP_TEACHES)
def test_the_help_of_every_command_gives_an_example_or_says_what_it_reads(command):
    shown = CliRunner().invoke(cli.app, [*command.split(), "--help"], env={"COLUMNS": "300", "TERM": "dumb"})
    assert shown.exit_code == 0
    assert HELP_TEACHES[command] in " ".join(shown.stdout.split())


def test_no_command_is_without_help_here():
    assert [" ".join(names) for names in commands()] == sorted(HELP_TEACHES)


def test_help_does_not_load_what_takes_seconds():
    heavy = ("pyspark", "pandas", "pyiceberg", "duckdb")
    code = f"import sys, infra.cli.app; print([m for m in {heavy} if m in sys.modules])"
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("arguments", "what"),
    [
        (("run", "--from", "yesterday"), "--from 'yesterday' is not a time"),
        (("run", "--to", "2026-13-01T00:00"), "is not a time"),
        (("run", "--from", "2026-03-02T07:30"), "not a whole hour"),
        (("run", "--from", "2026-03-02T09:00", "--to", "2026-03-02T07:00"), "--from must be earlier than --to"),
        (("run", "--from", "2026-03-02T07:00", "--to", "2026-03-02T07:00"), "--from must be earlier than --to"),
        ((*BACKTEST, "--from", "Monday", "--to", "2026-03-09"), "--from 'Monday' is not a time"),
        ((*BACKTEST, "--from", "2026-03-09", "--to", "2026-03-02"), "--from must be earlier than --to"),
        ((*BACKTEST, "--from", "2026-03-02", "--to", "2026-03-09", "--warning", "95"), "warning 95.0, critical 90"),
        ((*BACKTEST, "--from", "2026-03-02", "--to", "2026-03-09", "--clear", "nan"), "not clear nan"),
        ((*BACKTEST, "--from", "2026-03-02", "--to", "2026-03-09", "--home", "aws"), "Glue job"),
        (("alerts", "episodes", "--from", "2026-03-09", "--to", "2026-03-02"), "--from must be earlier than --to"),
        (("alerts", "list", "--home", "aws"), "TRAFFICLAKE_STAGE"),
        (("alerts", "replay", "--from", "2026-03-09", "--to", "2026-03-02"), "--from must be earlier than --to"),
        (("alerts", "redeliver", "--home", "aws"), "TRAFFICLAKE_STAGE"),
        (("tables", "restore", "marts.t", "--snapshot", "1", "--home", "aws"), "TRAFFICLAKE_STAGE"),
        (("ingest", "no-such-file.jsonl"), "no-such-file.jsonl does not exist"),
        (("ingest", "no [/red] such.jsonl"), "no [/red] such.jsonl does not exist"),
        (("devices", "provision", "a/b", "--out", "x"), "'a/b' cannot be used"),
        (("devices", "revoke", "+"), "'+' cannot be used"),
        (("devices", "list", "--home", "aws"), "TRAFFICLAKE_STAGE"),
        (("plan", "--sensors", "many", "--interval", "20s"), "--sensors 'many' is not a whole number such as 50000.\n"),
        (("plan", "--sensors", "-5", "--interval", "20s"), "--sensors '-5' is not a whole number"),
        (("plan", "--sensors", "0", "--interval", "20s"), "0 is not a number of sensors from 1 to 10,000,000"),
        (("plan", "--sensors", "99999999", "--interval", "20s"), "99999999 is not a number of sensors"),
        (("plan", "--sensors", "50000", "--interval", "soon"), "--interval 'soon' is not a time such as 20s"),
        (("plan", "--sensors", "50000", "--interval", "1.5s"), "--interval '1.5s' is not a time"),
        (("plan", "--sensors", "50000", "--interval", "0"), "0 is not an interval from 1 to 86,400 seconds"),
        (("plan", "--sensors", "50000", "--interval", "25h"), "90000 is not an interval"),
        (("run", "--home", "aws"), "TRAFFICLAKE_STAGE"),
        (("env", "--home", "aws"), "nothing to export"),
        (("query", "select 1", "--home", "aws"), "TRAFFICLAKE_STAGE"),
        (("status", "--home", "aws"), "TRAFFICLAKE_STAGE"),
        (("registry", "load", "file.csv", "--home", "aws"), "TRAFFICLAKE_STAGE"),
    ],
)
def test_an_unusable_argument_gives_one_sentence_and_code_2_before_anything_starts(
    trafficlake, nowhere, arguments, what
):
    code, out, err = trafficlake(*arguments)
    assert (code, out) == (2, "")
    assert what in err
    assert one_sentence(err)


@pytest.mark.parametrize(
    "arguments",
    [
        ("ingest", "x", "--format", "xml"),
        ("ingest", "x", "--via", "pigeon"),
        ("ingest",),
        ("query",),
        ("registry", "load"),
        ("local", "restart"),
        ("run", "--home", "moon"),
        ("plan", "--sensors", "50000"),
        ("plan", "--sensors", "50000", "--interval", "20s", "--output", "xml"),
        ("fly",),
    ],
)
def test_what_the_command_does_not_know_is_code_2(trafficlake, nowhere, arguments):
    code, _, err = trafficlake(*arguments)
    assert code == 2
    assert "Traceback" not in err


def test_a_stage_on_aws_is_never_served_by_the_local_home(trafficlake, nowhere, monkeypatch):
    monkeypatch.setenv("TRAFFICLAKE_STAGE", "prod")
    code, _, err = trafficlake("status")
    assert code == 2
    assert "prod lives on AWS" in err
    assert one_sentence(err)


def test_home_aws_is_refused_while_an_endpoint_is_set(trafficlake, nowhere, monkeypatch):
    monkeypatch.setenv("TRAFFICLAKE_STAGE", "prod")
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:4566")
    code, _, err = trafficlake("query", "select 1", "--home", "aws")
    assert code == 2
    assert "AWS_ENDPOINT_URL" in err


def test_home_aws_has_the_settings_and_the_region_that_the_stage_was_deployed_with(nowhere, monkeypatch):
    monkeypatch.setenv("TRAFFICLAKE_STAGE", "prod")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "eu-central-1")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    cli_home.enter(cli_home.Home.aws)
    assert settings() == STAGES["prod"].city
    assert settings().raw_bucket == "trafficlake-prod-raw-example-city"
    assert [route.name for route in settings().alert_routes] == ["operators", "control-room"]
    assert boto3.session.Session().region_name == STAGES["prod"].city.region


def test_a_stage_that_is_not_in_the_file_is_answered_with_those_that_are(trafficlake, nowhere, monkeypatch):
    monkeypatch.setenv("TRAFFICLAKE_STAGE", "elsewhere")
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    code, _, err = trafficlake("status", "--home", "aws")
    assert code == 2
    assert "prod, test" in err
    assert one_sentence(err)


def test_a_setting_that_cannot_be_used_is_named(trafficlake, nowhere, monkeypatch):
    monkeypatch.setenv("TRAFFICLAKE_STAGE", "No Stage")
    code, _, err = trafficlake("status")
    assert code == 2
    assert "TRAFFICLAKE_STAGE" in err
    assert "Traceback" not in err


def unusable_files(folder: Path) -> dict[str, tuple[list[str], str]]:
    """Return commands on files that cannot be read at all, and what the command is to say."""
    (folder / "folder").mkdir()
    whole = gzip.compress(b'{"sensor_id":"a"}\n' * 1000)
    contents = {
        "cut.jsonl.gz": whole[: len(whole) // 2],
        "utf16.jsonl": '{"sensor_id":"a"}\n'.encode("utf-16"),
        "no-length.csv": b"sensor_id,segment_id,interval_s\nA,B,60\n",
        "semicolons.csv": b"sensor_id;segment_id;length_km;interval_s\nA;B;1;60\n",
        "empty.csv": b"",
        "binary.csv": b"\x00\xff\xfe" * 100,
        "refused.csv": b"sensor_id,segment_id,length_km,interval_s\nA,B,,60\n",
    }
    for name, content in contents.items():
        (folder / name).write_bytes(content)

    def registry(name: str) -> list[str]:
        return ["registry", "load", str(folder / name)]

    return {
        "folder": (["ingest", str(folder / "folder")], "is a folder"),
        "broken gzip": (["ingest", str(folder / "cut.jsonl.gz")], "broken gzip"),
        "broken gzip, archive": (["ingest", str(folder / "cut.jsonl.gz"), "--via", "archive"], "broken gzip"),
        "UTF-16": (["ingest", str(folder / "utf16.jsonl")], "UTF-16"),
        "no data set": (["ingest", str(folder / "folder"), "--format", "portal"], "missing"),
        "registry missing": (registry("none.csv"), "cannot be read"),
        "registry without a column": (registry("no-length.csv"), "length_km"),
        "registry with semicolons": (registry("semicolons.csv"), "semicolons"),
        "empty registry": (registry("empty.csv"), "is empty"),
        "binary registry": (registry("binary.csv"), "not"),
        "registry folder": (registry("folder"), "cannot be read"),
    }


def test_an_unusable_file_gives_one_sentence_and_code_2_before_anything_starts(trafficlake, nowhere, tmp_path):
    wrong = {}
    for case, (arguments, what) in unusable_files(tmp_path).items():
        code, _, err = trafficlake(*arguments)
        if code != 2 or what not in err or not one_sentence(err):
            wrong[case] = (code, err)
    assert not wrong


def test_a_registry_without_a_usable_row_names_the_rows_and_loads_nothing(trafficlake, at_home, tmp_path):
    unusable_files(tmp_path)
    code, out, err = trafficlake("registry", "load", str(tmp_path / "refused.csv"))
    assert (code, out) == (2, "")
    assert err.splitlines()[0].startswith("line 2, refused: A length_km=''")
    assert err.splitlines()[-1].endswith("holds no usable row; nothing was loaded.")


def test_readings_that_are_too_large_for_the_stream_are_failed_and_code_1(trafficlake, at_home, tmp_path):
    file = tmp_path / "large.jsonl"
    file.write_bytes(b'{"sensor_id":"a","note":"' + b"x" * (2 << 20) + b'"}\n{"sensor_id":"a","avg_speed":50}\n')
    code, out, err = trafficlake("ingest", str(file))
    assert code == 1
    assert "1 sent, 1 failed" in out
    assert "larger than 1048576 bytes" in err


def test_whatever_the_user_has_set_every_client_stays_on_this_machine(at_home, monkeypatch, tmp_path):
    config = tmp_path / "config"
    config.write_text(
        f"[profile production]\nregion = eu-west-1\nendpoint_url = {AWS}\n[default]\nregion = eu-west-1\n"
    )
    for name, value in LEADING_ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    wr.config.reset()
    cli_home.enter(cli_home.Home.local)
    for service in SERVICES:
        client = boto3.client(service)
        assert client.meta.endpoint_url == at_home
        keys = client._request_signer._credentials.get_frozen_credentials()
        assert (keys.access_key, keys.secret_key, keys.token) == (THROW_AWAY_KEY, THROW_AWAY_KEY, None)
    assert boto3.client("sts").get_caller_identity()["Account"]
    catalog = open_catalog()
    assert catalog.glue.meta.endpoint_url == at_home
    assert catalog.properties["s3.endpoint"] == at_home
    wr.config.reset()
    assert (wr.config.s3_endpoint_url, wr.config.athena_endpoint_url) == (None, None)
    assert wr.s3.list_buckets()
    assert not {name for name in os.environ if leads_elsewhere(name)}


def test_the_printed_environment_takes_away_what_leads_elsewhere(trafficlake, at_home, monkeypatch):
    for name, value in LEADING_ELSEWHERE.items():
        monkeypatch.setenv(name, value)
    code, out, _ = trafficlake("env")
    assert code == 0
    caller = {"PATH": os.environ["PATH"], **LEADING_ELSEWHERE}
    shown = subprocess.run(["/bin/sh", "-c", f"{out}\nenv"], env=caller, capture_output=True, text=True, check=True)
    left = dict(line.split("=", 1) for line in shown.stdout.splitlines() if line.startswith(("AWS_", "WR_")))
    assert not [name for name in left if leads_elsewhere(name)]
    assert left["AWS_ENDPOINT_URL"] == at_home
    assert left["AWS_ACCESS_KEY_ID"] == THROW_AWAY_KEY
    assert "amazonaws" not in str(left)


@pytest.mark.parametrize(
    "url",
    ["https://s3.amazonaws.com", "http://127.0.0.1.example.com:4566", "http://10.0.0.1", "file:///x", "127.0.0.1:1"],
)
def test_an_endpoint_elsewhere_is_refused(url):
    before = dict(os.environ)
    with pytest.raises(ValueError, match="on this machine"):
        use_local_home(url)
    assert dict(os.environ) == before


def test_the_endpoint_listens_on_loopback_only(own_endpoint):
    _, url = own_endpoint
    port = urlsplit(url).port
    listening = [
        line.split()[1]
        for table in ("tcp", "tcp6")
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]
        if line.split()[3] == "0A" and int(line.split()[1].split(":")[1], 16) == port
    ]
    assert listening == [f"0100007F:{port:04X}"]


def test_local_says_what_runs(trafficlake, at_home, monkeypatch, tmp_path):
    code, out, _ = trafficlake("local", "status")
    assert code == 0
    assert at_home in out
    monkeypatch.setenv("TRAFFICLAKE_STATE_DIR", str(tmp_path / "other"))
    assert trafficlake("local", "status")[:2] == (0, "not running; start it with `trafficlake local start`\n")
    assert trafficlake("local", "stop")[:2] == (0, "none was running\n")


def test_the_status_of_an_empty_home_says_so(trafficlake, at_home):
    code, out, _ = trafficlake("status")
    assert code == 0
    assert "newest reading: none yet; newest hour of the marts: none yet" in out
    assert "Sensors that the registry does not know (last day): none" in out
