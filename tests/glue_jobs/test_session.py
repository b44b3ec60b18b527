"""One factory for all homes: only an endpoint in the environment leads Spark away from AWS."""

from glue_jobs.session import session_settings


def test_without_an_endpoint_nothing_leads_away_from_aws():
    settings = session_settings("lake", {"AWS_REGION": "eu-west-1"})
    assert settings["spark.sql.catalog.glue.warehouse"] == "s3://lake/"
    assert not [key for key in settings if "endpoint" in key or "s3a" in key]


def test_an_endpoint_holds_for_catalog_and_objects():
    settings = session_settings("lake", {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_DEFAULT_REGION": "eu-west-1"})
    endpoints = {value for key, value in settings.items() if key.endswith(".endpoint")}
    assert endpoints == {"http://127.0.0.1:1"}
    assert settings["spark.sql.catalog.glue.client.region"] == "eu-west-1"
