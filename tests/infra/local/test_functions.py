"""Lambda functions on the local endpoint: each test makes its own function from a zip."""

import base64
import json
import os
import signal
import threading
from datetime import UTC, datetime, timedelta

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from infra import function_package
from infra.local import functions

# Real processes take their time to start, and `make test` has ten minutes.
pytestmark = pytest.mark.slow

ANSWER = "def handler(event, context):\n    return "


def invoke(name, event=None):
    """Return (payload, function error, log tail)."""
    answer = boto3.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event), LogType="Tail")
    log = base64.b64decode(answer.get("LogResult", "")).decode()
    return json.loads(answer["Payload"].read()), answer.get("FunctionError"), log


def test_a_function_gets_its_event_its_variables_and_a_context(endpoint, create_function):
    code = """
import os
def handler(event, context):
    left = context.get_remaining_time_in_millis()
    return [event, os.environ["WHO"], context.function_name, context.invoked_function_arn, 8000 < left <= 9000]
"""
    name = create_function(code, timeout_s=9, Environment={"Variables": {"WHO": "me"}})
    arn = f"arn:aws:lambda:us-east-1:000000000000:function:{name}"
    assert invoke(name, {"a": 1})[0] == [{"a": 1}, "me", name, arn, True]


def test_a_function_imports_its_package_and_boto3_and_nothing_else_of_this_environment(
    endpoint, create_function, zipped
):
    code = """
import importlib
def handler(event, context):
    found = {}
    for name in event:
        try:
            found[name] = importlib.import_module(name).__name__
        except ImportError:
            found[name] = None
    return found
"""
    name = create_function(code)
    package = zipped(code, **{"tasks/other": "", "bundled/__init__": ""})
    boto3.client("lambda").update_function_code(FunctionName=name, ZipFile=package)
    there, missing = ["tasks.other", "bundled", "boto3", "botocore"], ["orjson", "pyarrow", "infra", "ingestion"]
    found, _, _ = invoke(name, there + missing)
    assert found == {each: each for each in there} | dict.fromkeys(missing)


def test_a_function_calls_the_endpoint_with_boto3_as_it_stands(endpoint, create_function):
    name = create_function("import boto3\n" + ANSWER + "boto3.client('sts').get_caller_identity()['Account']")
    assert invoke(name)[0] == "000000000000"


def test_a_function_calls_under_its_own_name(endpoint, create_function):
    name = create_function("import boto3\n" + ANSWER + "boto3.Session().get_credentials().access_key")
    assert invoke(name)[0] == name


def test_an_error_has_its_type_its_message_and_its_place_in_the_log_and_leaves_the_process_warm(
    endpoint, create_function
):
    code = """
import os
def handler(event, context):
    print("before")
    if event:
        raise KeyError("missing")
    return os.getpid()
"""
    name = create_function(code)
    pid = invoke(name)[0]
    error, kind, log = invoke(name, 1)
    assert (kind, error["errorType"], error["errorMessage"]) == ("Unhandled", "KeyError", "'missing'")
    assert any("raise KeyError" in line for line in error["stackTrace"])
    assert "before" in log
    assert "KeyError" in log
    assert invoke(name)[0] == pid


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("import not_there\ndef handler(event, context): pass", "Runtime.ImportModuleError"),
        ("def other(event, context): pass", "Runtime.HandlerNotFound"),
        ("raise RuntimeError('at import')", "RuntimeError"),
        (ANSWER + "object()", "Runtime.MarshalError"),
        ("import os\n" + ANSWER + "os._exit(3)", "Runtime.ExitError"),
        ("import time\n" + ANSWER + "time.sleep(60)", "Sandbox.Timedout"),
    ],
)
def test_what_goes_wrong_is_named_as_lambda_names_it(endpoint, create_function, code, kind):
    error, function_error, _ = invoke(create_function(code, timeout_s=1))
    assert (function_error, error["errorType"]) == ("Unhandled", kind)


def test_a_process_killed_at_work_is_an_error_and_the_next_invocation_gets_a_new_one(
    endpoint, create_function, wait_for, tmp_path
):
    code = """
import os, pathlib, time
def handler(event, context):
    if event:
        pathlib.Path(event).write_text(str(os.getpid()))
        time.sleep(60)
    return os.getpid()
"""
    name, noted, outcome = create_function(code, timeout_s=60), tmp_path / "pid", []
    caller = threading.Thread(target=lambda: outcome.append(invoke(name, str(noted))))
    caller.start()
    pid = int(wait_for(lambda: noted.exists() and noted.read_text()))
    os.kill(pid, signal.SIGKILL)
    caller.join(timeout=20)
    assert outcome[0][0]["errorType"] == "Runtime.ExitError"
    assert "signal: 9" in outcome[0][0]["errorMessage"]
    assert invoke(name)[0] != pid


def test_invocations_at_once_get_processes_of_their_own_up_to_the_reserved_concurrency(
    endpoint, create_function, wait_for, tmp_path
):
    code = """
import os, pathlib, time
def handler(event, context):
    folder = pathlib.Path(event)
    (folder / str(os.getpid())).touch()
    while not (folder / "go").exists():
        time.sleep(0.02)
"""
    name = create_function(code, timeout_s=60)
    functions = boto3.client("lambda")
    functions.put_function_concurrency(FunctionName=name, ReservedConcurrentExecutions=2)
    callers = [threading.Thread(target=invoke, args=(name, str(tmp_path))) for _ in range(2)]
    for caller in callers:
        caller.start()
    wait_for(lambda: len(list(tmp_path.iterdir())) == 2)
    once = boto3.client("lambda", config=Config(retries={"total_max_attempts": 1}))
    with pytest.raises(ClientError, match="TooManyRequestsException"):
        once.invoke(FunctionName=name, Payload=json.dumps(str(tmp_path)))
    (tmp_path / "go").touch()
    for caller in callers:
        caller.join(timeout=20)


def test_new_code_and_new_variables_count_from_the_next_invocation(endpoint, create_function, zipped):
    functions = boto3.client("lambda")
    name = create_function(ANSWER + "1")
    assert invoke(name)[0] == 1
    functions.update_function_code(FunctionName=name, ZipFile=zipped("import os\n" + ANSWER + "os.environ.get('A')"))
    assert invoke(name)[0] is None
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": {"A": "2"}})
    assert invoke(name)[0] == "2"


def test_what_a_function_prints_is_in_its_log_group(endpoint, create_function, wait_for):
    name = create_function("def handler(event, context):\n    print('one')\n    print('two', end='')")
    _, _, tail = invoke(name)
    assert tail.splitlines() == ["one", "two"]
    logs = boto3.client("logs")
    found = wait_for(lambda: logs.describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{name}")["logGroups"])
    group = found[0]["logGroupName"]
    events = wait_for(lambda: logs.filter_log_events(logGroupName=group)["events"])
    start, one, two, end, report = [event["message"] for event in events]
    assert (one, two) == ("one", "two")
    request = start.split()[2]
    assert (start.split()[:3], end.split()) == (["START", "RequestId:", request], ["END", "RequestId:", request])
    assert report.startswith(f"REPORT RequestId: {request}\tDuration: ")


def test_lines_in_embedded_metric_format_become_metrics(endpoint, create_function, wait_for):
    code = """
import json, time
def handler(event, context):
    metrics = [{"Name": "Lag", "Unit": "Milliseconds"}, {"Name": "Rejected"}]
    about = {"Namespace": event, "Dimensions": [["zone"]], "Metrics": metrics}
    line = {"_aws": {"Timestamp": int(time.time() * 1000), "CloudWatchMetrics": [about]}}
    print(json.dumps(line | {"zone": "z1", "Lag": [1, 2, 6], "Rejected": 4}))
"""
    name = create_function(code)
    invoke(name, name)
    cloudwatch = boto3.client("cloudwatch")
    now = datetime.now(UTC)

    def statistics(metric):
        return cloudwatch.get_metric_statistics(
            Namespace=name,
            MetricName=metric,
            Dimensions=[{"Name": "zone", "Value": "z1"}],
            StartTime=now - timedelta(minutes=10),
            EndTime=now + timedelta(minutes=10),
            Period=3600,
            Statistics=["Sum", "Maximum", "SampleCount"],
        )["Datapoints"]

    (lag,) = wait_for(lambda: statistics("Lag"))
    assert (lag["Sum"], lag["Maximum"], lag["SampleCount"], lag["Unit"]) == (9, 6, 3, "Milliseconds")
    (rejected,) = statistics("Rejected")
    assert (rejected["Sum"], rejected["SampleCount"]) == (4, 1)


def test_functions_mappings_queues_and_secrets_survive_a_kill(run_endpoint, use_endpoint, tmp_path, create_function):
    with run_endpoint(tmp_path, "--no-athena") as (url, process):
        use_endpoint(url)
        name = create_function(ANSWER + "'here'", Environment={"Variables": {"A": "1"}})
        boto3.client("kinesis").create_stream(StreamName="s", ShardCount=1)
        stream = boto3.client("kinesis").describe_stream_summary(StreamName="s")["StreamDescriptionSummary"]
        made = boto3.client("lambda").create_event_source_mapping(
            EventSourceArn=stream["StreamARN"], FunctionName=name, StartingPosition="LATEST", BatchSize=7
        )
        boto3.client("sqs").create_queue(QueueName="q", Attributes={"VisibilityTimeout": "7"})
        boto3.client("secretsmanager").create_secret(Name="secret", SecretString="hidden")
        process.kill()
        process.wait()
    with run_endpoint(tmp_path, "--no-athena") as (url, _):
        use_endpoint(url)
        assert invoke(name)[0] == "here"
        assert boto3.client("lambda").get_event_source_mapping(UUID=made["UUID"])["BatchSize"] == 7
        queue = boto3.client("sqs").get_queue_url(QueueName="q")["QueueUrl"]
        attributes = boto3.client("sqs").get_queue_attributes(QueueUrl=queue, AttributeNames=["All"])["Attributes"]
        assert attributes["VisibilityTimeout"] == "7"
        assert boto3.client("secretsmanager").get_secret_value(SecretId="secret")["SecretString"] == "hidden"


def test_what_the_runtime_provides_is_not_packaged():
    """Two lists, because the endpoint imports nothing of the product."""
    assert set(functions.PROVIDED) <= set(function_package.PROVIDED)
