"""Identifiers of what is made in QuickSight, and their addresses; whoever starts a refresh asks here too."""


def data_source_id(prefix: str) -> str:
    """Return the id of the Athena data source; `prefix` begins the names of a stage's resources."""
    return f"{prefix}-athena"


def data_set_id(prefix: str, dataset: str) -> str:
    """Return the id of a dataset of the specs."""
    return f"{prefix}-{dataset.replace('_', '-')}"


def zone_rules_id(prefix: str) -> str:
    """Return the id of the dataset that says who sees which zones."""
    return f"{prefix}-zone-rules"


def dashboard_id(prefix: str, dashboard: str) -> str:
    """Return the id of a dashboard, and of the analysis that authors open."""
    return f"{prefix}-{dashboard.replace('_', '-')}"


def dashboard_url(region: str, prefix: str, dashboard: str) -> str:
    """Return the address that a dashboard is read at."""
    return f"https://{region}.quicksight.aws.amazon.com/sn/dashboards/{dashboard_id(prefix, dashboard)}"
