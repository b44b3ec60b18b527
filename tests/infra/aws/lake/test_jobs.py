"""Each job is the entry point of its name with a role for exactly the tables, objects and logs that it works on."""

import re
import zipfile
from pathlib import Path

import pytest

from glue_jobs.session import session_settings
from infra.aws.lake import job_code
from infra.aws.lake.jobs import GlueJobs, conf
from infra.aws.stages import STAGES
from infra.aws.storage.buckets import Buckets
from infra.pipeline import GLUE_JOBS, parameters
from infra.sizing.plan import make_plan
from infra.sizing.prices import load
from infra.sizing.resources import City
from tests.infra.aws.templates import allowed, flat, named, of_type, properties, statements

JOB = "AWS::Glue::Job"
LAKE, RAW = "arn:aws:s3:::trafficlake-test-lake-example-city", "arn:aws:s3:::trafficlake-test-raw-example-city"
DOCS = "arn:aws:s3:::trafficlake-test-docs-example-city"
CATALOG = "arn:aws:glue:us-east-1:<AWS::AccountId>"
CURATED = ("readings", "rejected_readings", "landed_keys", "pending_hours", "processed_objects")
WRITTEN = {
    "curate_readings": {f"curated/{name}/*" for name in CURATED},
    "rollup_5min": {"curated/sensor_5min/*", "curated/readings/metadata/*", "curated/pending_hours/metadata/*"},
    "congestion_episodes": {"marts/congestion_episodes/*"},
    "maintain_tables": {"curated/*", "reference/*", "marts/*"},
}
READ = {
    "curate_readings": WRITTEN["curate_readings"],
    "rollup_5min": {
        *("curated/sensor_5min/*", "curated/readings/*", "curated/pending_hours/*"),
        "reference/sensors/*",
    },
    "congestion_episodes": {
        *("curated/readings/*", "reference/sensors/*", "reference/segments/*"),
        *("marts/int_segment__free_flow/*", "marts/int_segment__5min/*", "marts/congestion_episodes/*"),
    },
    "maintain_tables": WRITTEN["maintain_tables"],
}
COMMITTED = {
    "curate_readings": {f"curated/{name}" for name in CURATED},
    "rollup_5min": {"curated/sensor_5min", "curated/readings", "curated/pending_hours"},
    "congestion_episodes": {"marts/congestion_episodes"},
    "maintain_tables": {"curated/*", "reference/*", "marts/*"},
}


@pytest.fixture(scope="module")
def code(tmp_path_factory):
    folder = tmp_path_factory.mktemp("code")
    return {"packages": job_code.write_packages(folder), "requirements": job_code.write_requirements(folder)}


@pytest.fixture(scope="module")
def jobs(resources_of, stage, code):
    def make(stack):
        GlueJobs(stack, "Jobs", stage=stage, buckets=Buckets(stack, "Buckets", stage=stage), **code)

    return resources_of(make)


@pytest.fixture(params=WRITTEN)
def job(request):
    return request.param


def granted(jobs, job):
    return named(jobs, allowed(jobs, f"Jobs{job.replace('_', '')}Role"))


def definition(resources, stage, job):
    return properties(resources, JOB, Name=stage.city.glue_job(job))


def test_there_is_a_job_for_each_entry_point_and_each_has_a_role_of_its_own(jobs, stage):
    entry_points = {path.stem for path in job_code.SCRIPTS.glob("*.py") if '__name__ == "__main__"' in path.read_text()}
    made = of_type(jobs, JOB)
    assert {each["Properties"]["Name"] for each in made} == {stage.city.glue_job(name) for name in entry_points}
    assert len({flat(each["Properties"]["Role"]) for each in made}) == len(made)


def test_a_job_writes_its_own_folders_of_the_lake_only(jobs, job):
    found = granted(jobs, job)
    folders = {f"{LAKE}/{folder}" for folder in WRITTEN[job]}
    assert found["s3:DeleteObject"] == folders
    assert found["s3:PutObject"] - folders == ({f"{DOCS}/quality/curated/*"} if job == "curate_readings" else set())


def test_a_job_reads_its_sources_its_code_and_nothing_else(jobs, job):
    read = granted(jobs, job)["s3:GetObject"]
    code = {each for each in read if "-assets-" in each}
    assert sorted(each.rpartition(".")[2] for each in code) == ["py", "txt", "zip"]
    landing = {f"{RAW}/readings/*", f"{RAW}/errors/format-conversion-failed/*"}
    expected = {f"{LAKE}/{folder}" for folder in READ[job]}
    assert read - code == expected | (landing if job == "curate_readings" else set())


def test_a_job_commits_to_its_own_tables_and_drops_none(jobs, job):
    found = granted(jobs, job)
    tables = {each.partition(":table/")[2] for each in found["glue:UpdateTable"] if ":table/" in each}
    assert tables == COMMITTED[job]
    assert not [action for action in found if action.startswith(("glue:Delete", "glue:BatchDelete"))]


def test_the_catalog_shows_a_job_the_tables_whose_objects_it_reads(jobs, job):
    tables = {each.partition(":table/")[2] for each in granted(jobs, job)["glue:GetTable"] if ":table/" in each}
    assert {f"{table}/*".replace("*/*", "*") for table in tables} == READ[job]


def test_only_curation_opens_what_arrived(jobs, job):
    own = {"alias/trafficlake-test-lake", "alias/trafficlake-test-jobs"}
    assert granted(jobs, job)["kms:Decrypt"] == own | (
        {"alias/trafficlake-test-raw"} if job == "curate_readings" else set()
    )
    assert granted(jobs, job)["kms:GenerateDataKey"] == own


def test_a_job_may_use_the_key_of_its_security_configuration(jobs, job):
    found = granted(jobs, job)
    for action in ("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"):
        assert "alias/trafficlake-test-jobs" in found[action]


def test_a_job_may_do_nothing_without_a_resource(jobs):
    for policy in of_type(jobs, "AWS::IAM::Policy"):
        assert not [each for each in statements(policy["Properties"]["PolicyDocument"]) if "*" in each["Resource"]]


def test_no_metrics_are_asked_for_that_a_job_without_a_glue_context_does_not_send(jobs, stage, job):
    assert not [name for name in definition(jobs, stage, job)["DefaultArguments"] if "metrics" in name]


def test_glue_takes_on_the_roles_for_this_account_only(jobs):
    for role in of_type(jobs, "AWS::IAM::Role"):
        (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
        assert trust["Principal"] == {"Service": "glue.amazonaws.com"}
        assert trust["Condition"] == {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


def test_objects_logs_and_bookmarks_are_encrypted(jobs, stage, job):
    (security,) = of_type(jobs, "AWS::Glue::SecurityConfiguration")
    assert definition(jobs, stage, job)["SecurityConfiguration"] == security["Properties"]["Name"]
    encryption = security["Properties"]["EncryptionConfiguration"]
    (objects,) = encryption["S3Encryptions"]
    modes = (objects["S3EncryptionMode"], encryption["CloudWatchEncryption"]["CloudWatchEncryptionMode"])
    assert modes == ("SSE-KMS", "SSE-KMS")
    assert encryption["JobBookmarksEncryption"]["JobBookmarksEncryptionMode"] == "CSE-KMS"


def test_a_job_s_logs_are_where_glue_writes_them_encrypted_and_kept_as_the_stage_says(jobs, stage, job):
    role = flat(definition(jobs, stage, job)["Role"]).removeprefix("<").removesuffix(".Arn>")
    groups = {
        flat(each["Properties"]["LogGroupName"]): each["Properties"] for each in of_type(jobs, "AWS::Logs::LogGroup")
    }
    for kind in ("error", "output"):
        group = groups[f"/aws-glue/jobs/trafficlake-test-jobs-role/<{role}>/{kind}"]
        assert group["RetentionInDays"] == 7
        key = jobs[group["KmsKeyId"]["Fn::GetAtt"][0]]["Properties"]
        (used,) = (each for each in key["KeyPolicy"]["Statement"] if "Service" in each["Principal"])
        assert used["Principal"] == {"Service": "logs.us-east-1.amazonaws.com"}
        context = flat(used["Condition"]["ArnLike"]["kms:EncryptionContext:aws:logs:arn"])
        assert context.endswith(":log-group:/aws-glue/jobs/trafficlake-test-jobs-role/*/*")
    assert len(granted(jobs, job)["logs:PutLogEvents"]) == 2


def test_a_job_runs_once_at_a_time_and_leaves_repeats_to_who_started_it(jobs, stage, job):
    found = definition(jobs, stage, job)
    assert (found["ExecutionProperty"], found["MaxRetries"]) == ({"MaxConcurrentRuns": 1}, 0)
    assert found["Timeout"] * 60 == GLUE_JOBS[job].timeout_s
    assert found["DefaultArguments"]["--job-bookmark-option"] == "job-bookmark-disable"


@pytest.mark.parametrize("name", STAGES)
def test_workers_are_those_of_the_plan(resources_of, name, code):
    stage = STAGES[name]
    resources = resources_of(
        lambda stack: GlueJobs(stack, "Jobs", stage=stage, buckets=Buckets(stack, "Buckets", stage=stage), **code)
    )
    plan = make_plan(City(sensors=stage.sensors, interval_s=stage.interval_s), load())
    for each in of_type(resources, JOB):
        assert each["Properties"]["NumberOfWorkers"] == plan.resources.glue.workers
        assert (each["Properties"]["WorkerType"], each["Properties"]["GlueVersion"]) == ("G.1X", "5.1")


def test_a_job_knows_all_of_its_step_s_arguments_but_those_of_a_run(jobs, stage, job):
    arguments = definition(jobs, stage, job)["DefaultArguments"]
    values = parameters(stage.city)
    missing = set()
    for name, template in GLUE_JOBS[job].arguments.items():
        if f"--{name}" not in arguments:
            missing.add(name)
        else:
            assert arguments[f"--{name}"] == template.format(**values)
    assert missing == {"curate_readings": {"from", "to"}, "rollup_5min": {"run"}}.get(job, set())


def test_spark_starts_with_the_session_s_settings(stage):
    started = dict(each.split("=", 1) for each in conf(stage.city).split(" --conf "))
    java = {started.pop(f"spark.{process}.extraJavaOptions") for process in ("driver", "executor")}
    assert java == {"-XX:-DontCompileHugeMethods"}
    assert started == session_settings(stage.city.lake_bucket, {})
    assert started["spark.sql.extensions"] == "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    # Glue splits the value at blanks.
    assert not re.search(r"\s", conf(stage.city).replace(" --conf ", ""))


def test_what_is_uploaded_is_the_job_s_script_with_packages_and_requirements(prod, synthesized, job):
    found = definition(prod, STAGES["prod"], job)
    folder = synthesized[0].parent

    def uploaded(address):
        return folder / f"asset.{Path(address['Fn::Sub']).name}"

    assert uploaded(found["Command"]["ScriptLocation"]).read_bytes() == job_code.script(job).read_bytes()
    arguments = found["DefaultArguments"]
    assert f"glue_jobs/{job}.py" in zipfile.ZipFile(uploaded(arguments["--extra-py-files"])).namelist()
    assert arguments["--python-modules-installer-option"] == "-r"
    assert "great-expectations==" in uploaded(arguments["--additional-python-modules"]).read_text()
    assert arguments["--datalake-formats"] == "iceberg"
