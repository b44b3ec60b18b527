"""The role of a Glue job: the objects and catalog entries of its tables, its code, its logs, and nothing else."""

from collections.abc import Sequence

from aws_cdk import Aws
from aws_cdk import aws_s3_assets as assets
from constructs import Construct

from infra.aws.lake.job_access import Access
from infra.aws.roles import OF_THIS_ACCOUNT, ServiceRole
from infra.aws.stages import Stage
from infra.aws.storage.buckets import Buckets
from ingestion.contract.landing import PREFIXES
from quality.curated import DOCS_PREFIX

_READ = ("glue:GetDatabase", "glue:GetTable")
# Iceberg commits by UpdateTable, on the condition that nobody else has ("Glue Catalog, Optimistic Locking").
_ALTER = (*_READ, "glue:CreateTable", "glue:UpdateTable")
_GET = ("s3:GetObject",)
# Iceberg removes the files of a commit that failed, and those of snapshots that expire.
_PUT = ("s3:AbortMultipartUpload", "s3:DeleteObject", "s3:PutObject")
_OBJECTS = "Iceberg names the objects of a table"
_TABLES = "the job works on every table of the database"


class JobRole(ServiceRole):
    """The role that Glue takes on for one job."""

    def __init__(self, scope: Construct, construct_id: str, *, stage: Stage, access: Access, buckets: Buckets) -> None:
        """Make the role with the access to tables that the job needs."""
        super().__init__(scope, construct_id, service="glue.amazonaws.com", conditions=OF_THIS_ACCOUNT)
        self._stage, self._buckets = stage, buckets
        self._catalog = f"arn:aws:glue:{stage.city.region}:{Aws.ACCOUNT_ID}"
        self._allow_catalog(_READ, access.reads)
        self._allow_catalog(_ALTER, (*access.alters, *access.writes))
        self._allow_databases(access.databases)
        folders = [*map(_folder, (*access.reads, *access.alters, *access.writes)), *map(_folder, access.databases)]
        written = [_folder(name) for name in (*access.writes, *access.databases)]
        self._allow_objects(_GET, folders)
        self._allow_objects(_PUT, [*written, *(f"{_folder(name)}metadata/" for name in access.alters)])
        self.allow(["kms:Decrypt", "kms:GenerateDataKey"], buckets.lake_key.key_arn)

    def allow_code(self, code: Sequence[assets.Asset]) -> None:
        """Allow to fetch script and packages."""
        self.allow(_GET, *(f"arn:aws:s3:::{each.s3_bucket_name}/{each.s3_object_key}" for each in code))

    def allow_landing(self) -> None:
        """Allow to find what has landed, and to read it."""
        bucket = f"arn:aws:s3:::{self._stage.city.raw_bucket}"
        self.allow(
            _GET,
            *(f"{bucket}/{PREFIXES[kind]}*" for kind in ("readings", "errors")),
            why_many="Firehose and the publishers name the objects that land",
        )
        self.allow(
            ["s3:ListBucket"],
            bucket,
            conditions={"StringLike": {"s3:prefix": [f"{prefix}*" for prefix in PREFIXES.values()]}},
        )
        self.allow(["kms:Decrypt"], self._buckets.raw_key.key_arn)

    def allow_data_docs(self) -> None:
        """Allow to publish what the audit found."""
        folder = f"arn:aws:s3:::{self._stage.city.docs_bucket}/{DOCS_PREFIX}*"
        self.allow(["s3:PutObject"], folder, why_many="Great Expectations names the pages")

    def _allow_catalog(self, actions: Sequence[str], tables: Sequence[str]) -> None:
        if not tables:
            return
        databases = sorted({table.partition(".")[0] for table in tables})
        self.allow(
            actions,
            f"{self._catalog}:catalog",
            *(f"{self._catalog}:database/{name}" for name in databases),
            *(f"{self._catalog}:table/{table.replace('.', '/')}" for table in tables),
        )

    def _allow_databases(self, databases: Sequence[str]) -> None:
        if not databases:
            return
        self.allow(
            [*_READ, "glue:GetTables", "glue:UpdateTable"],
            f"{self._catalog}:catalog",
            *(f"{self._catalog}:database/{name}" for name in databases),
            *(f"{self._catalog}:table/{name}/*" for name in databases),
            why_many=_TABLES,
        )

    def _allow_objects(self, actions: Sequence[str], folders: Sequence[str]) -> None:
        bucket = f"arn:aws:s3:::{self._stage.city.lake_bucket}"
        self.allow(actions, *(f"{bucket}/{folder}*" for folder in folders), why_many=_OBJECTS)


def _folder(name: str) -> str:
    """Return the folder of a table or database in the lake bucket, by the location of its database."""
    return f"{name.replace('.', '/')}/"
