"""The contracts as typed values: everything that is generated from them starts here.

`load` reads one contract file, `tables` gives every table of all of them by its full name. A property that this
module does not know is refused, so that a rule written into a contract can never be silently without effect.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from types import MappingProxyType
from typing import Any

import yaml

CONTRACTS = ("readings", "registry", "tables")
PHYSICAL_TYPES = ("string", "int", "bigint", "double", "timestamp", "array<string>")


class ContractError(ValueError):
    """A contract file says something that this module does not understand."""


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column: its curated name and type, its range, and the keys under which devices send it."""

    name: str
    logical_type: str
    physical_type: str
    description: str
    required: bool = False
    primary_key: int | None = None
    partition_transform: str | None = None
    unit: str | None = None
    minimum: float | str | None = None
    maximum: float | str | None = None
    exclusive_minimum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    enum: tuple[str, ...] = ()
    landing_names: tuple[str, ...] = ()
    landing_type: str | None = None
    on_violation: str | None = None
    maximum_ahead_of_arrival_minutes: int | None = None
    ok_values: tuple[str, ...] = ()
    segment_attribute: bool = False
    optional_in_file: bool = False
    derived: bool = False
    curated: bool = True


@dataclass(frozen=True)
class Flag:
    """A quality flag of a sample; `excludes` names the measures that the roll-up leaves out for it."""

    name: str
    scope: str
    excludes: tuple[str, ...]
    description: str
    condition: str | None = None


@dataclass(frozen=True)
class Reason:
    """Why curation refuses a row."""

    name: str
    description: str
    condition: str | None = None


@dataclass(frozen=True)
class Table:
    """A table as it is stored: columns in order, without what curation uses up."""

    database: str
    name: str
    description: str
    columns: tuple[Column, ...]

    @property
    def full_name(self) -> str:
        """Return `database.name`."""
        return f"{self.database}.{self.name}"

    @property
    def key(self) -> tuple[str, ...]:
        """Return the names of the key columns, in key order."""
        keyed = [column for column in self.columns if column.primary_key is not None]
        return tuple(column.name for column in sorted(keyed, key=lambda column: column.primary_key or 0))

    @property
    def partitioning(self) -> tuple[tuple[str, str], ...]:
        """Return (transform, column) of each partition column, such as `("hours", "ts")`."""
        return tuple((column.partition_transform, column.name) for column in self.columns if column.partition_transform)

    def column(self, name: str) -> Column:
        """Return one column; raises KeyError when there is none of that name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.full_name} has no column {name}")


@dataclass(frozen=True)
class Contract:
    """One contract file. `columns` are all of its first schema, also those that are used up by curation."""

    id: str
    version: str
    purpose: str
    columns: tuple[Column, ...]
    tables: tuple[Table, ...]
    landing_table: str | None
    flags: tuple[Flag, ...]
    reasons: tuple[Reason, ...]

    def column(self, name: str) -> Column:
        """Return one column of the first schema; raises KeyError when there is none of that name."""
        for column in self.columns:
            if column.name == name:
                return column
        raise KeyError(f"{self.id} has no column {name}")

    @property
    def flag_names(self) -> tuple[str, ...]:
        """Return the names of all flags."""
        return tuple(flag.name for flag in self.flags)

    @property
    def reason_names(self) -> tuple[str, ...]:
        """Return the names of all rejection reasons."""
        return tuple(reason.name for reason in self.reasons)

    def flags_excluding(self, measure: str) -> tuple[str, ...]:
        """Return the flags that keep a sample out of a measure (`volume`, `speed` or `occupancy`)."""
        return tuple(flag.name for flag in self.flags if measure in flag.excludes)


# Partition keys of everything that lands: the object layout dt=YYYY-MM-DD/hour=HH, UTC hour of arrival.
LANDING_PARTITIONS = (
    Column(
        name="dt",
        logical_type="string",
        physical_type="string",
        required=True,
        description="Date of arrival, UTC, YYYY-MM-DD.",
    ),
    Column(
        name="hour",
        logical_type="integer",
        physical_type="int",
        required=True,
        minimum=0,
        maximum=23,
        description="Hour of arrival, UTC.",
    ),
)


@cache
def load(name: str) -> Contract:
    """Read one contract: `readings`, `registry` or `tables`.

    Raises ContractError when the file uses something that this module does not know.
    """
    if name not in CONTRACTS:
        raise ContractError(f"there is no contract {name!r}; there are {', '.join(CONTRACTS)}")
    text = resources.files(__package__).joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return parse(yaml.safe_load(text))


@cache
def tables() -> Mapping[str, Table]:
    """Return every table of the pipeline that dbt does not make, by its full name, such as `curated.readings`."""
    found: dict[str, Table] = {}
    for name in CONTRACTS:
        contract = load(name)
        if contract.landing_table:
            landing = landing_table(contract)
            found[landing.full_name] = landing
        found |= {table.full_name: table for table in contract.tables}
    return MappingProxyType(found)


def table(name: str) -> Table:
    """Return one table by its full name, or by its bare name; raises KeyError for an unknown one."""
    found = [t for t in tables().values() if name in (t.full_name, t.name)]
    if not found:
        raise KeyError(f"no contract declares a table {name}")
    return found[0]


def landing_table(contract: Contract) -> Table:
    """Return the landing table of a payload: one nullable column per key that devices send."""
    database, name = (contract.landing_table or "").split(".")
    columns = tuple(
        Column(
            name=key,
            logical_type="number" if column.landing_type == "double" else "string",
            physical_type=column.landing_type or "string",
            unit=column.unit if column.landing_type == "double" and len(column.landing_names) == 1 else None,
            description=f"As sent. {column.description}",
        )
        for column in contract.columns
        for key in column.landing_names
    )
    return Table(database, name, f"As sent, before curation. {contract.purpose}", columns + LANDING_PARTITIONS)


def parse(document: Mapping[str, Any]) -> Contract:
    """Turn a parsed contract file into a Contract; raises ContractError on what it does not know."""
    custom = _custom(document)
    unknown = custom.keys() - {"landingTable", "qualityFlags", "rejectionReasons"}
    if unknown:
        raise ContractError(f"{document['id']}: unknown custom properties {sorted(unknown)}")
    schemas = document["schema"]
    return Contract(
        id=document["id"],
        version=document["version"],
        purpose=document["description"]["purpose"],
        columns=tuple(_column(p) for p in schemas[0]["properties"]),
        tables=tuple(_table(schema) for schema in schemas),
        landing_table=custom.get("landingTable"),
        flags=tuple(
            Flag(f["name"], f["scope"], tuple(f["excludes"]), f["description"], f.get("condition"))
            for f in custom.get("qualityFlags", [])
        ),
        reasons=tuple(
            Reason(r["name"], r["description"], r.get("condition")) for r in custom.get("rejectionReasons", [])
        ),
    )


def _table(schema: Mapping[str, Any]) -> Table:
    database, name = schema["physicalName"].split(".")
    columns = tuple(column for column in map(_column, schema["properties"]) if column.curated)
    if database == "raw":
        columns += LANDING_PARTITIONS
    return Table(database, name, schema["description"], columns)


# Contract key → field of Column, for each place where a contract may say something of a column.
_PROPERTIES = {
    "name": "name",
    "description": "description",
    "logicalType": "logical_type",
    "physicalType": "physical_type",
    "required": "required",
    "primaryKeyPosition": "primary_key",
}
_PROPERTIES_READ_ELSEWHERE = {
    "primaryKey", "partitioned", "partitionKeyPosition", "items", "logicalTypeOptions", "customProperties"
}  # fmt: skip
_OPTIONS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "exclusiveMinimum": "exclusive_minimum",
    "minLength": "min_length",
    "maxLength": "max_length",
}
_CUSTOM = {
    "unit": "unit",
    "allowedValues": "enum",
    "landingNames": "landing_names",
    "landingType": "landing_type",
    "onViolation": "on_violation",
    "maximumAheadOfArrivalMinutes": "maximum_ahead_of_arrival_minutes",
    "okValues": "ok_values",
    "segmentAttribute": "segment_attribute",
    "optionalInFile": "optional_in_file",
    "partitionTransform": "partition_transform",
    "derived": "derived",
    "curated": "curated",
}


def _column(prop: Mapping[str, Any]) -> Column:
    name = prop["name"]
    plain = {key: value for key, value in prop.items() if key not in _PROPERTIES_READ_ELSEWHERE}
    fields: dict[str, Any] = {}
    for part, names in ((plain, _PROPERTIES), (prop.get("logicalTypeOptions", {}), _OPTIONS), (_custom(prop), _CUSTOM)):
        unknown = part.keys() - names.keys()
        if unknown:
            raise ContractError(f"column {name}: unknown properties {sorted(unknown)}")
        fields |= {names[key]: tuple(value) if isinstance(value, list) else value for key, value in part.items()}
    if fields["physical_type"] not in PHYSICAL_TYPES:
        raise ContractError(f"column {name}: unknown physical type {fields['physical_type']}")
    if prop.get("partitioned", False) != ("partition_transform" in fields):
        raise ContractError(f"column {name}: a partition column needs its partitionTransform, and no other has one")
    return Column(**fields)


def _custom(holder: Mapping[str, Any]) -> dict[str, Any]:
    return {entry["property"]: entry["value"] for entry in holder.get("customProperties", [])}


def stated(column: Column, name: str) -> Any:  # noqa: ANN401
    """Return what a contract says of a column under the contract's own name for it, such as `okValues`.

    Raises ContractError where it says nothing of that.
    """
    field = (_OPTIONS | _CUSTOM).get(name)
    value = getattr(column, field) if field else None
    if value in (None, ()):
        raise ContractError(f"column {column.name} says no {name}")
    return value
