"""The one place that opens the Glue catalog for pyiceberg."""

import os

from pyiceberg.catalog.glue import GlueCatalog


def open_catalog() -> GlueCatalog:
    """Return the Glue catalog that the environment points to.

    Region and credentials are those of any AWS client. Where AWS_ENDPOINT_URL is set, catalog and objects are both
    reached there, with bucket names in the path, because bucket names in the host need a wildcard DNS name.
    """
    properties = {}
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    if region:
        properties |= {"glue.region": region, "s3.region": region}
    endpoint = os.environ.get("AWS_ENDPOINT_URL")
    if endpoint:
        properties |= {
            "glue.endpoint": endpoint,
            "s3.endpoint": endpoint,
            "s3.force-virtual-addressing": "false",
        }
    return GlueCatalog("glue", **properties)
