"""QuickSight datasets from the specs: tables, columns with their meaning, who sees which rows, and refreshes."""

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

from dashboards.quicksight import ids
from dashboards.spec import Column, Dataset, Specs
from dashboards.tables import tables

# "Supported data types from external data sources": a date is a date-time at midnight, a boolean becomes 0 or 1.
_TYPES: dict[str, dict[str, str]] = {
    "text": {"Type": "STRING"},
    "number": {"Type": "DECIMAL", "SubType": "FLOAT"},
    "integer": {"Type": "INTEGER"},
    "flag": {"Type": "BOOLEAN"},
    "date": {"Type": "DATETIME"},
    "instant": {"Type": "DATETIME"},
}
_PLACES = {"latitude": "LATITUDE", "longitude": "LONGITUDE"}
_LONGEST_DESCRIPTION = 500
CATALOG = "AwsDataCatalog"
ZONE = "zone_id"
# What the zone marts call the rest of the city. A control finds no empty value, and a row without one would vanish.
UNASSIGNED = "unassigned"
Definition = dict[str, Any]


def of_athena(specs: Specs) -> list[Dataset]:
    """Return the datasets that QuickSight can have: it reads no DynamoDB."""
    return [dataset for dataset in specs.datasets.values() if dataset.source == "athena"]


def choice_columns(specs: Specs, dataset: Dataset) -> list[str]:
    """Return the text columns of a dataset that a control offers the values of, on any dashboard."""
    chosen = {control.column for dashboard in specs.dashboards for control in dashboard.controls}
    chosen |= {visual.choose for dashboard in specs.dashboards for visual in dashboard.visuals}
    return [name for name, column in dataset.all_columns.items() if name in chosen and column.type == "text"]


def choice_name(column: str) -> str:
    """Return the name of the column that is never empty."""
    return f"{column}_choice"


def data_set(specs: Specs, dataset: Dataset, *, prefix: str, data_source_arn: str) -> Definition:
    """Return a dataset as CreateDataSet takes it, without account, permissions and row-level security.

    Raises KeyError for a table or column that dbt does not declare.
    """
    physical = {"rows": _relational_table(dataset.mart, dataset.columns, data_source_arn)}
    logical = {"rows": {"Alias": dataset.name, "Source": {"PhysicalTableId": "rows"}}}
    if dataset.join is not None:
        key = Column(name=dataset.join.key, type="text", title=dataset.join.key)
        physical["joined"] = _relational_table(dataset.join.mart, (key, *dataset.join.columns), data_source_arn)
        other_key = f"{key.name}_joined"
        rename = {"RenameColumnOperation": {"ColumnName": key.name, "NewColumnName": other_key}}
        logical["joined"] = {
            "Alias": dataset.join.mart.partition(".")[2],
            "Source": {"PhysicalTableId": "joined"},
            "DataTransforms": [rename],
        }
        logical["both"] = {
            "Alias": f"{dataset.name} with places",
            "Source": {
                "JoinInstruction": {
                    "LeftOperand": "rows",
                    "RightOperand": "joined",
                    "RightJoinKeyProperties": {"UniqueKey": True},
                    "Type": "LEFT",
                    "OnClause": f"{{{key.name}}} = {{{other_key}}}",
                }
            },
        }
    last = logical["both" if dataset.join else "rows"]
    last["DataTransforms"] = _transforms(dataset, choice_columns(specs, dataset))
    return {
        "DataSetId": ids.data_set_id(prefix, dataset.name),
        "Name": dataset.title,
        "PhysicalTableMap": physical,
        "LogicalTableMap": logical,
        "ImportMode": dataset.mode.upper(),
    }


def refresh_properties(dataset: Dataset) -> Definition | None:
    """Return what an incremental refresh reads again, or None where a refresh is a full one."""
    if dataset.incremental is None:
        return None
    window = {"ColumnName": dataset.incremental.column, "Size": dataset.incremental.days, "SizeUnit": "DAY"}
    return {"RefreshConfiguration": {"IncrementalRefresh": {"LookbackWindow": window}}}


def full_refresh(dataset: Dataset, time_zone: str) -> Definition | None:
    """Return the weekly schedule that reads everything again, or None where nothing is imported.

    Corrections older than the window of the incremental refreshes come in by it. Hourly refreshes are the pipeline's:
    it starts them when it has published, see `ingestions`.
    """
    if dataset.mode != "spice":
        return None
    return {
        "ScheduleId": "weekly-full",
        "ScheduleFrequency": {
            "Interval": "WEEKLY",
            "RefreshOnDay": {"DayOfWeek": "SUNDAY"},
            "TimeOfTheDay": "03:30",
            "Timezone": time_zone,
        },
        "RefreshType": "FULL_REFRESH",
    }


def ingestions(specs: Specs, prefix: str) -> dict[str, str]:
    """Return what to refresh once a run has published: CreateIngestion's IngestionType by DataSetId."""
    return {
        ids.data_set_id(prefix, dataset.name): "INCREMENTAL_REFRESH" if dataset.incremental else "FULL_REFRESH"
        for dataset in of_athena(specs)
        if dataset.mode == "spice"
    }


def zone_rules(rules: Mapping[str, Sequence[str]], *, prefix: str, data_source_arn: str) -> Definition:
    """Return the dataset of who sees which zones, by ARN of a QuickSight user or group; no zones stand for all.

    Whoever is not in it sees no rows ("Using row-level security with user-based rules"). The rules are the query: there
    is no table to keep, and a change is a deployment.

    Raises ValueError for a zone with a comma: QuickSight takes what is between commas as zones of their own.
    """
    for principal, zones in rules.items():
        if torn := [zone for zone in zones if "," in zone]:
            raise ValueError(
                f"quicksight_zones of {principal}: {torn[0]!r} holds a comma, and QuickSight would grant its parts as"
                " zones. List zones one by one; a zone whose id has a comma needs another id."
            )
    rows = [row for principal, zones in rules.items() for row in _rule_rows(principal, zones)]
    names = ("UserARN", "GroupARN", ZONE)
    columns = [{"Name": name, **_TYPES["text"]} for name in names]
    # The rows are quoted literals of a stage's settings.
    query = f"select * from (values {', '.join(rows)}) as rules ({', '.join(names)})"  # noqa: S608
    table = {"DataSourceArn": data_source_arn, "Name": "rules", "SqlQuery": query, "Columns": columns}
    return {
        "DataSetId": ids.zone_rules_id(prefix),
        "Name": "Who sees which zones",
        "PhysicalTableMap": {"rules": {"CustomSql": table}},
        "ImportMode": "DIRECT_QUERY",
        "UseAs": "RLS_RULES",
    }


def row_level_permissions(rules_arn: str) -> Definition:
    """Return the part of a dataset that makes people see only the rows of their zones."""
    return {"Arn": rules_arn, "PermissionPolicy": "GRANT_ACCESS", "FormatVersion": "VERSION_2", "Status": "ENABLED"}


def _rule_rows(principal: str, zones: Sequence[str]) -> list[str]:
    is_group = ":group/" in principal
    user, group = (_sql(None), _sql(principal)) if is_group else (_sql(principal), _sql(None))
    return [f"({user}, {group}, {_sql(zone)})" for zone in zones or (None,)]


def _sql(text: str | None) -> str:
    return "cast(null as varchar)" if text is None else "'" + text.replace("'", "''") + "'"


def _relational_table(mart: str | None, columns: Sequence[Column], data_source_arn: str) -> Definition:
    database, name = str(mart).split(".")
    return {
        "RelationalTable": {
            "DataSourceArn": data_source_arn,
            "Catalog": CATALOG,
            "Schema": database,
            "Name": name,
            "InputColumns": [{"Name": column.name, **_TYPES[column.type]} for column in columns],
        }
    }


def _transforms(dataset: Dataset, choices: Sequence[str]) -> list[Definition]:
    created = [
        {
            "ColumnName": choice_name(column),
            "ColumnId": choice_name(column),
            "Expression": f"coalesce({{{column}}}, '{UNASSIGNED}')",
        }
        for column in choices
    ]
    tags = [_tag(name, meaning) for name, meaning in _meanings(dataset).items()]
    tags += [
        _tag(choice_name(name), f"{_meanings(dataset)[name]} `{UNASSIGNED}` where it is empty.") for name in choices
    ]
    shown = [*dataset.all_columns, *map(choice_name, choices)]
    create = [{"CreateColumnsOperation": {"Columns": created}}] if created else []
    return [*create, *tags, {"ProjectOperation": {"ProjectedColumns": shown}}]


def _tag(column: str, meaning: str) -> Definition:
    tags: list[Definition] = [{"ColumnDescription": {"Text": textwrap.shorten(meaning, _LONGEST_DESCRIPTION)}}]
    if column in _PLACES:
        tags.append({"ColumnGeographicRole": _PLACES[column]})
    return {"TagColumnOperation": {"ColumnName": column, "Tags": tags}}


def _meanings(dataset: Dataset) -> dict[str, str]:
    declared = {column.name: column.description for column in tables()[str(dataset.mart)].columns}
    if dataset.join is not None:
        declared |= {column.name: column.description for column in tables()[dataset.join.mart].columns}
    return {name: declared[name] for name in dataset.all_columns}
