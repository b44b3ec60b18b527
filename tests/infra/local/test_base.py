"""Every private part of the base that is relied on: a new version of it must pass these before it is pinned."""

import inspect
import os
import subprocess
import sys
from pathlib import Path

import pytest

from infra.local import base

CONTRACTS: dict[str, str] = {
    "handlers are looked up in one table, at each call": """
        assert isinstance(app.SERVICE_HANDLERS, dict)
        assert set(base.SERVICES.split(",")) == set(app.SERVICE_HANDLERS)
        assert 'SERVICE_HANDLERS.get(service)' in inspect.getsource(app._dispatch_service_request)
    """,
    "a service's module is found by the registry, and says its state": """
        for service in (*persistence.DURABLE, "dynamodb", "kinesis", "glue"):
            module = app._get_module(app.SERVICE_REGISTRY[service]["module"])
            assert callable(module.get_state), service
            assert callable(module.load_persisted_state), service
    """,
    "what a saver writes, the base reads": """
        glue = app._get_module("glue")
        glue._databases["d"] = {"Name": "d"}
        base.saver(app, "glue", lambda: base.glue_state(app))()
        glue.reset()
        assert not glue._databases
        app._load_persisted_state()
        assert dict(glue._databases) == {"d": {"Name": "d"}}
    """,
    "the live stores of the catalog are what it copies": """
        assert base.glue_state(app).keys() == app._get_module("glue").get_state().keys()
    """,
    "glue answers from a plain function": """
        status, _, body = base.glue_entry(app)("POST", "/", {"x-amz-target": "AWSGlue.GetDatabases"}, b"{}", {})
        assert (status, json.loads(body)) == (200, {"DatabaseList": []})
    """,
    "one authority signs devices' certificates and the broker's, which is for loopback": """
        from cryptography import x509
        authority, server, key = base.mqtt_certificates(app)
        assert base.mqtt_certificates(app) == (authority, server, key)
        signed = x509.load_pem_x509_certificate(server.encode())
        signed.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.encode()))
        names = signed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        assert "localhost" in names.get_values_for_type(x509.DNSName)
        assert "127.0.0.1" in map(str, names.get_values_for_type(x509.IPAddress))
        assert app._get_module("iot").get_state()["ca"]["ca_cert_pem"] == authority
    """,
    "the live stores of IoT are what it copies": """
        iot = app._get_module("iot")
        base.mqtt_certificates(app)
        state = base.iot_state(app)
        iot._things["t"] = {"thingName": "t"}
        assert state()["things"] is iot._things
        base.saver(app, "iot", state)()
        saved = Path(sys.argv[1], "services", "iot.json").read_bytes()
        base.saver(app, "iot")()
        assert Path(sys.argv[1], "services", "iot.json").read_bytes() == saved
    """,
    "objects are kept by bucket and key": """
        s3 = app._get_module("s3")
        s3._buckets["bucket-x"] = {"objects": {"a/1": {}, "a/b/2": {}, "c": {}}}
        assert base.keys_below(app, "s3://bucket-x/a/") == ["1", "b/2"]
        assert base.keys_below(app, "s3://missing/a/") == []
    """,
    "streams keep their records by shard": """
        kinesis = app._get_module("kinesis")
        kinesis._create_stream({"StreamName": "s", "ShardCount": 1})
        address = base.kinesis_stream_of(app, {"StreamName": "s"})
        assert base.kinesis_stream_of(app, {"StreamARN": address}) == address
        kinesis._put_record({"StreamName": "s", "Data": "eA==", "PartitionKey": "k"})
        (shard,) = base.kinesis_streams(app)[address]["shards"].values()
        (record,) = shard["records"]
        assert record.keys() == {"SequenceNumber", "ApproximateArrivalTimestamp", "Data", "PartitionKey"}
        arrived = int(record["SequenceNumber"][:20]) / 1000
        assert arrived == pytest.approx(record["ApproximateArrivalTimestamp"], abs=0.1)
    """,
    "a stream's age limit goes through one function": """
        kinesis = app._get_module("kinesis")
        assert kinesis._expire_records is base.expire_records
        kinesis._create_stream({"StreamName": "s", "ShardCount": 1})
        (stream,) = base.kinesis_streams(app).values()
        (records,) = base.kinesis_records(app, stream["StreamARN"]).values()
        for _ in range(3):
            kinesis._put_record({"StreamName": "s", "Data": "eA==", "PartitionKey": "k"})
        for record, age_h in zip(records, (25, 23, 1)):
            record["ApproximateArrivalTimestamp"] -= age_h * 3600
        kinesis._put_record({"StreamName": "s", "Data": "eA==", "PartitionKey": "k"})
        (kept,) = base.kinesis_records(app, stream["StreamARN"]).values()
        assert kept[:2] == records[1:3] and len(kept) == 3
        assert base.kinesis_records(app, "arn:of:none") == {}
    """,
    "each change of an item and each stream record goes through one function": """
        module = app._get_module("dynamodb")
        assert set(dynamodb_base.state(app)) == set(module.get_state())
        writers = (module._put_item, module._update_item, module._delete_item, module._batch_write_item)
        for writer in (*writers, module._transact_write_items):
            source = inspect.getsource(writer)
            assert '["items"][' not in source.replace('["items"].get', ""), writer
        notes = []
        dynamodb_base.patch(app, notes.append)
        key = [{"AttributeName": "id", "KeyType": "HASH"}]
        attributes = [{"AttributeName": "id", "AttributeType": "S"}]
        stream = {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"}
        table = {"TableName": "tab", "KeySchema": key, "AttributeDefinitions": attributes}
        module._create_table(table | {"BillingMode": "PAY_PER_REQUEST", "StreamSpecification": stream})
        item = {"id": {"S": "a"}}
        module._put_item({"TableName": "tab", "Item": item})
        module._delete_item({"TableName": "tab", "Key": item})
        arn = module._tables["tab"]["TableArn"]
        assert [note[0] for note in notes] == ["put", "stream", "delete", "stream"]
        assert {note[1] for note in notes} == {arn} and notes[0][2] == notes[2][2] == item
        records = dynamodb_base.stream_records(app, dynamodb_base.stream_of(app, arn))
        assert records == [notes[1][2], notes[3][2]]
        dynamodb_base.saver(app)()
        module._stream_records.clear()
        dynamodb_base.restore_streams(app)
        for note in notes[:2]:
            dynamodb_base.apply(app, note)
        assert dynamodb_base.stream_records(app, dynamodb_base.stream_of(app, arn)) == records
        assert module._tables["tab"]["items"] == {"a": {"__no_sort__": item}}
    """,
    "event patterns are matched against any document": """
        new = {"word": {"S": [{"exists": True}]}, "n": [{"numeric": [">", 1]}]}
        pattern = json.dumps({"kind": ["INSERT"], "new": new})
        document = {"kind": "INSERT", "new": {"word": {"S": "x"}, "n": 2}}
        assert base.matches_pattern(app, pattern, document)
        assert not base.matches_pattern(app, pattern, document | {"kind": "MODIFY"})
        assert not base.matches_pattern(app, pattern, {"kind": "INSERT", "new": {"n": 2}})
        assert not base.matches_pattern(app, "no pattern", document)
    """,
    "targets of rules are called through these functions, by PutEvents and by the schedule": """
        events, taken = app._get_module("eventbridge"), []
        for name in ("lambda", "sqs", "sns", "api_destination"):
            assert f"_dispatch_to_{name}(" in inspect.getsource(events._invoke_target)
        events_base.patch(app, taken.append)
        assert "time.sleep(_SCHEDULER_TICK_INTERVAL)" in inspect.getsource(events._scheduler_loop)
        events._ensure_default_bus()
        own = "arn:aws:{}:us-east-1:000000000000:{}"
        arns = [own.format("lambda", "function:f"), own.format("sqs", "q"), own.format("sns", "t")]
        arns.append(own.format("events", "api-destination/d"))
        events._put_rule({"Name": "r", "EventPattern": '{"source": ["s"]}'})
        events._put_rule({"Name": "m", "ScheduleExpression": "rate(1 minute)"})
        for rule in ("r", "m"):
            targets = [{"Id": arn, "Arn": arn, "Input": "{}"} for arn in arns]
            events._put_targets({"Rule": rule, "Targets": targets})
        events._put_events({"Entries": [{"Source": "s", "DetailType": "t", "Detail": '{"a": 1}'}]})
        assert [delivery.target["Arn"] for delivery in taken] == arns
        assert {delivery.rule_arn for delivery in taken} == {own.format("events", "rule/r")}
        assert {delivery.payload for delivery in taken} == {"{}"} and json.loads(taken[0].event)["detail"] == {"a": 1}
        assert [delivery.send is not None for delivery in taken] == [False, False, False, True]
        taken.clear()
        events._tick_scheduled_rules()
        assert not taken
        events._rules["default|m"]["CreationTime"] -= 61
        events._rule_last_fired.clear()
        events._tick_scheduled_rules()
        assert len(taken) == 4 and json.loads(taken[0].event)["detail-type"] == "Scheduled Event"
    """,
    "a replay is kept with the rules that it is for, and its events name it": """
        events, taken = app._get_module("eventbridge"), []
        events_base.patch(app, taken.append)
        events._ensure_default_bus()
        for name in ("wanted", "other"):
            events._put_rule({"Name": name, "EventPattern": '{"source": ["s"]}'})
            arn = f"arn:aws:sqs:us-east-1:000000000000:{name}"
            events._put_targets({"Rule": name, "Targets": [{"Id": "t", "Arn": arn}]})
        only = {"FilterArns": ["arn:aws:events:us-east-1:000000000000:rule/wanted"]}
        events._replays["r"] = {"Destination": only}
        event = {"EventId": "e", "Source": "s", "DetailType": "t", "Detail": "{}", "EventBusName": "default", "Time": 0}
        events._dispatch_event(event | {"ReplayName": "r"})
        assert [delivery.rule_arn for delivery in taken] == only["FilterArns"]
        assert json.loads(taken[0].event)["replay-name"] == "r"
    """,
    "API destinations are called with these functions": """
        events = app._get_module("eventbridge")
        key = {"ApiKeyAuthParameters": {"ApiKeyName": "x-key", "ApiKeyValue": "k"}}
        events._create_connection({"Name": "c", "AuthorizationType": "API_KEY", "AuthParameters": key})
        connection = events._connections["c"]
        events._create_api_destination({"Name": "d", "ConnectionArn": connection["ConnectionArn"],
            "InvocationEndpoint": "http://127.0.0.1:9/p", "HttpMethod": "POST"})
        request = events._build_api_destination_request(events._api_destinations["d"], connection, {}, "{}")
        assert (request["url"], request["method"], request["body"]) == ("http://127.0.0.1:9/p", "POST", "{}")
        assert events._connection_auth_headers(connection, ("a", "r", "c")) == {"x-key": "k"}
        with pytest.raises(OSError):
            events._api_destination_send_sync(request, {})
    """,
    "functions from a zip run through one function": """
        functions = app._get_module("lambda_svc")
        assert base.function_runner(app) is functions._execute_function_warm
        logs = []
        run = lambda *call: {"body": len(call), "log": "l"}
        base.run_functions_with(app, run, lambda *call, **_: logs.append(call))
        zip_bytes = io.BytesIO()
        zipfile.ZipFile(zip_bytes, "w").close()
        code = {"ZipFile": base64.b64encode(zip_bytes.getvalue()).decode()}
        request = {"FunctionName": "f", "Handler": "h.h", "Role": "arn:aws:iam::000000000000:role/r", "Code": code}
        assert functions._create_function(request | {"Runtime": "python3.11"})[0] == 201
        function = functions._functions["f"]
        assert function["config"].keys() > {"FunctionArn", "CodeSha256", "Handler", "MemorySize", "Runtime", "Timeout"}
        assert function["code_zip"] == zip_bytes.getvalue()
        assert functions._execute_function(function, {})["body"] == 3
        ((logged, request_id, text, failed, duration_ms),) = logs
        assert (logged, text, failed, type(duration_ms)) == (function, "l", False, int)
    """,
    "the base's poller of streams is asked through one function": """
        functions = app._get_module("lambda_svc")
        assert "processed = _poll_kinesis() or processed" in inspect.getsource(functions._poll_loop)
        base.run_functions_with(app, dict, print)
        assert functions._poll_kinesis() is False
    """,
    "tasks of state machines are looked up by their beginning, and fail with an error and its cause": """
        machines = app._get_module("stepfunctions")
        resource, given = "arn:aws:states:::codebuild:startBuild", {"ProjectName": "p"}
        def fail(parameters):
            assert parameters == given
            raise base.TaskError("CodeBuild.Full", "no")
        base.add_tasks(app, {resource: fail, "arn:aws:states:::aws-sdk:s3:getObject": lambda given: {"Body": "b"}})
        assert machines._invoke_resource("arn:aws:states:::aws-sdk:s3:getObject", {}) == {"Body": "b"}
        with pytest.raises(machines._ExecutionError) as failure:
            machines._invoke_resource(resource + ".sync", given)
        assert (failure.value.error, failure.value.cause) == ("CodeBuild.Full", "no")
    """,
    "the sender's call delivers through one function": """
        firehose = app._get_module("firehose")
        assert firehose.ingest_from_kinesis_source("arn", [("k", b"x")]) is None
        source = inspect.getsource(app._get_module("kinesis"))
        assert "_firehose.ingest_from_kinesis_source(" in source
    """,
    "CloudFormation finds a type in one table, and one function says which types may wait": """
        from ministack.services.cloudformation import provisioners, stacks
        base.provision_with({"AWS::X::Y": {"create": lambda *made: made, "delete": lambda *gone: None}})
        assert provisioners._provision_resource("AWS::X::Y", "L", {"P": 1}, "S") == ("L", {"P": 1}, "S")
        waiting = map(stacks._runs_on_worker_thread, ("AWS::X::Y", "AWS::CloudFormation::Stack", "AWS::S3::Bucket"))
        assert list(waiting) == [True, True, False]
    """,
    "only one shutdown hook saves, and only in good order": """
        assert "save_all(_build_persistence_save_dict())" in inspect.getsource(app._handle_lifespan)
    """,
}


@pytest.mark.parametrize("contract", CONTRACTS)
def test_the_base_is_as_it_is_relied_on(contract: str, tmp_path: Path) -> None:
    # In a process of its own: the base reads its settings, and is patched, once per process.
    lines = [
        "import base64, inspect, io, json, sys, zipfile",
        "from pathlib import Path",
        "import pytest",
        "from infra.local import base, dynamodb_base, events_base, persistence",
    ]
    lines += ["app = base.load(Path(sys.argv[1]), 4999)", inspect.cleandoc(CONTRACTS[contract])]
    command = [sys.executable, "-c", "\n".join(lines), str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_another_version_of_the_base_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "version", lambda _name: "1.5.34")
    environment = dict(os.environ)
    with pytest.raises(RuntimeError, match=r"made for ministack 1\.5\.33, found 1\.5\.34"):
        base.load(tmp_path, 1)
    assert dict(os.environ) == environment
