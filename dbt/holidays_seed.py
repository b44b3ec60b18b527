"""Write the committed seed of public holidays: `python dbt/holidays_seed.py [--country US] [--subdivision CA]`.

One row per holiday date, so that `dim_date` needs no library on AWS. Another city runs this once for its own calendar.
"""

import argparse
import csv
from pathlib import Path

import holidays

SEED = Path(__file__).parent / "seeds" / "holidays.csv"


def holiday_rows(country: str, subdivision: str | None, first_year: int, last_year: int) -> list[tuple[str, str]]:
    """Return (ISO date, English names joined by "; ") of every public holiday, sorted by date.

    Raises NotImplementedError where the library does not know the country or the subdivision.
    """
    calendar = holidays.country_holidays(
        country, subdiv=subdivision, years=range(first_year, last_year + 1), language="en_US"
    )
    return [(day.isoformat(), name) for day, name in sorted(calendar.items()) if first_year <= day.year <= last_year]


def main() -> None:
    """Write the seed for the calendar that the arguments name."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--country", default="US", help="ISO 3166 country")
    parser.add_argument("--subdivision", default="CA", help="state or province; empty for none")
    parser.add_argument("--first-year", type=int, default=2000)
    parser.add_argument("--last-year", type=int, default=2040)
    arguments = parser.parse_args()
    rows = holiday_rows(arguments.country, arguments.subdivision or None, arguments.first_year, arguments.last_year)
    with SEED.open("w", newline="", encoding="utf-8") as handle:
        writer = csv.writer(handle, lineterminator="\n")
        writer.writerow(["holiday_date", "holiday_name"])
        writer.writerows(rows)


if __name__ == "__main__":
    main()
