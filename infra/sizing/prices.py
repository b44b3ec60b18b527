"""The dated table of AWS prices, `prices.yaml`."""

from datetime import date
from functools import cache
from pathlib import Path

import yaml
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, model_validator

_FILE = Path(__file__).with_name("prices.yaml")


class Tier(BaseModel):
    """A price for the units of a month up to a cumulative count; the last tier has no end."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    up_to: float | None = Field(None, gt=0)
    price: float = Field(ge=0)


class Price(BaseModel):
    """Dollars per unit, with where the figure was found and of which day it is. None where no source was found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    unit: str = Field(min_length=1)
    price: float | None = Field(None, ge=0)
    tiers: tuple[Tier, ...] = ()
    # Of the figure, as its source says; without, `read` is the day on which the undated source was read.
    as_of: date | None = None
    read: date | None = None
    source: HttpUrl
    seen_in: str = ""

    @model_validator(mode="after")
    def _is_dated_and_rises(self) -> "Price":
        if (self.as_of is None) == (self.read is None):
            raise ValueError("a price has either the date of its source or the day on which it was read")
        ends = [tier.up_to for tier in self.tiers]
        if self.tiers and (self.price is not None or ends != [*sorted(filter(None, ends)), None]):
            raise ValueError("tiers rise, and only the last one has no end")
        return self

    def of_month(self, units: float) -> float | None:
        """Return the dollars of a month's units; None where there is no price."""
        if not self.tiers:
            return None if self.price is None else units * self.price
        total = begin = 0.0
        for tier in self.tiers:
            end = units if tier.up_to is None else min(units, tier.up_to)
            total += max(end - begin, 0) * tier.price
            begin = max(begin, end)
        return total


class PriceTable(BaseModel):
    """Prices of a region by name; `read` is the day on which they were looked up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: str
    read: date
    prices: dict[str, Price]


@cache
def load(file: Path = _FILE) -> PriceTable:
    """Return the table. Raises pydantic's ValidationError for a price without unit, day or source."""
    return PriceTable.model_validate(yaml.safe_load(file.read_text()))
