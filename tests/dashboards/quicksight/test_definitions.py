"""Each dashboard is a definition that QuickSight's own model takes, whose every reference leads somewhere."""

import re
from collections import Counter
from itertools import chain, pairwise

import pytest
import sqlglot
from quicksight_api import bodies, refused
from sqlglot import exp

from dashboards.quicksight import colors
from dashboards.quicksight.datasets import data_set
from dashboards.spec import load

NAMES = [dashboard.name for dashboard in load().dashboards]
# Of the QuickSight user guide, "Functions by category". Not sumIf and its like, whose argument must be a field.
FUNCTIONS = {
    *("sum", "min", "max", "count", "distinct_count"),
    *("sumover", "minover", "maxover", "countover", "distinctcountover", "periodoverperiodlastvalue"),
    *("ifelse", "isnull", "isnotnull", "nullif", "coalesce", "concat", "datediff", "adddatetime", "truncdate", "now"),
    *("and", "or", "not"),
}


@pytest.fixture(params=NAMES)
def definition(request, definitions):
    """One dashboard's definition."""
    return definitions[request.param]


def columns(specs, dataset):
    made = data_set(specs, specs.datasets[dataset], prefix="p", data_source_arn="arn")
    table = made["LogicalTableMap"].get("both") or made["LogicalTableMap"]["rows"]
    (shown,) = bodies(table, "ProjectedColumns")
    return set(shown)


def fields_of(specs, definition):
    """Columns and calculated fields by dataset."""
    found = {
        each["Identifier"]: columns(specs, each["Identifier"]) for each in definition["DataSetIdentifierDeclarations"]
    }
    for field in definition["CalculatedFields"]:
        found[field["DataSetIdentifier"]].add(field["Name"])
    return found


def visuals(definition):
    return [body for sheet in definition["Sheets"] for visual in sheet["Visuals"] for body in visual.values()]


def test_the_api_takes_dashboard_and_analysis(definition):
    shared = {"AwsAccountId": "111122223333", "Name": "n", "Definition": definition}
    assert refused("CreateDashboard", {"DashboardId": "d", **shared}) == []
    assert refused("CreateAnalysis", {"AnalysisId": "a", **shared}) == []


def test_the_check_of_the_api_finds_what_botocore_alone_does_not():
    theme = {"AwsAccountId": "111122223333", "ThemeId": "t", "Name": "n", "BaseThemeId": "CLASSIC"}
    assert refused("CreateTheme", {**theme, "Configuration": colors.theme()}) == []
    reddish = {"DataColorPalette": {"EmptyFillColor": "reddish"}}
    (found,) = refused("CreateTheme", {**theme, "Configuration": reddish})
    assert "EmptyFillColor: reddish" in found


def test_every_column_that_is_used_is_one_of_its_dataset(specs, definition):
    known = fields_of(specs, definition)
    members = ("Column", "SortBy", "LinkToDataSetColumn")
    used = [each for member in members for each in bodies(definition, member)]
    assert used
    assert [each for each in used if each["ColumnName"] not in known[each["DataSetIdentifier"]]] == []


def test_calculated_fields_parse_and_lead_to_fields_and_parameters(specs, definition):
    known = fields_of(specs, definition)
    parameters = {body["Name"] for each in definition["ParameterDeclarations"] for body in each.values()}
    for field in definition["CalculatedFields"]:
        text = re.sub(r"\$\{(\w+)\}", lambda at: f'"parameter {at[1]}"', field["Expression"])
        tree = sqlglot.parse_one(re.sub(r"\{([^}]+)\}", r'"\1"', text), dialect="duckdb")
        named = {column.name for column in tree.find_all(exp.Column) if column.this.quoted}
        asked = {name.removeprefix("parameter ") for name in named if name.startswith("parameter ")}
        assert named - {f"parameter {name}" for name in asked} <= known[field["DataSetIdentifier"]], field
        assert asked <= parameters, field
        without_text = re.sub(r"'[^']*'", "''", re.sub(r"\{[^}]*\}", "x", field["Expression"]))
        called = {name.lower() for name in re.findall(r"(\w+)\s*\(", without_text)}
        assert called <= FUNCTIONS, field


def test_a_calculated_field_has_one_meaning(definition):
    names = Counter((field["DataSetIdentifier"], field["Name"]) for field in definition["CalculatedFields"])
    assert [name for name, times in names.items() if times > 1] == []


def test_every_visual_has_title_description_and_text_for_those_who_do_not_see_it(definition):
    for body in visuals(definition):
        for text in (body["Title"]["FormatText"], body["Subtitle"]["FormatText"]):
            assert len(text["PlainText"]) > 3
        assert body["VisualContentAltText"].startswith(body["Title"]["FormatText"]["PlainText"])
        assert not body["Subtitle"]["FormatText"]["PlainText"].endswith("…")


def test_every_figure_has_its_unit(specs, definition):
    """The unit of the spec stands in the name of the field and, where it can be read behind a number, there too."""
    fields = {
        (dataset.name, measure.title, measure.unit)
        for dataset in specs.datasets.values()
        for measure in dataset.measures.values()
    }
    for body in visuals(definition):
        shown = [*bodies(body, "NumericalMeasureField"), *bodies(body, "DateMeasureField")]
        # What pointing at a mark tells of it that is no text.
        shown += [item for item in bodies(body, "ColumnTooltipItem") if "Aggregation" not in item]
        assert shown
        for field in shown:
            column = field["Column"]
            units = [
                unit
                for dataset, title, unit in fields
                if dataset == column["DataSetIdentifier"] and column["ColumnName"].startswith(title)
            ]
            assert any(
                unit == "1" or f"({unit})" in column["ColumnName"] or "(%)" in column["ColumnName"] for unit in units
            ), column


def test_sorting_labels_and_colours_are_of_fields_that_the_visual_has(definition):
    for body in visuals(definition):
        has = set(bodies(body["ChartConfiguration"]["FieldWells"], "FieldId"))
        spark_axes = set(bodies(list(bodies(body, "XAxisField")), "FieldId"))
        assert set(bodies(body, "FieldId")) - spark_axes == has


def test_the_colour_of_a_series_is_that_of_the_field_it_shows(definition):
    for body in visuals(definition):
        shown = {
            field["FieldId"]: field["Column"]["ColumnName"]
            for field in bodies(body["ChartConfiguration"]["FieldWells"], "NumericalMeasureField")
        }
        colored = [each["Element"] for each in chain(*bodies(body, "ColorMap")) if each["Element"]["FieldId"] in shown]
        assert [each["FieldValue"] for each in colored] == [shown[each["FieldId"]] for each in colored]


def test_ids_are_there_once_and_layouts_place_what_exists_without_overlap(definition):
    ids = [body["VisualId"] for body in visuals(definition)]
    assert len(ids) == len(set(ids))
    fields = [
        each for body in visuals(definition) for each in bodies(body["ChartConfiguration"]["FieldWells"], "FieldId")
    ]
    assert len(fields) == len(set(fields))
    for sheet in definition["Sheets"]:
        (layout,) = sheet["Layouts"]
        boxes = layout["Configuration"]["GridLayout"]["Elements"]
        assert {box["ElementId"] for box in boxes} == {
            body["VisualId"] for each in sheet["Visuals"] for body in each.values()
        }
        cells = Counter(
            (column, row)
            for box in boxes
            for column in range(box["ColumnIndex"], box["ColumnIndex"] + box["ColumnSpan"])
            for row in range(box["RowIndex"], box["RowIndex"] + box["RowSpan"])
        )
        assert max(cells.values()) == 1
        assert max(column for column, _ in cells) < 36
        (controls,) = sheet["SheetControlLayouts"]
        placed = {each["ElementId"] for each in controls["Configuration"]["GridLayout"]["Elements"]}
        assert placed == set(bodies(sheet["ParameterControls"], "ParameterControlId"))


def test_filters_work_on_visuals_of_their_dataset_and_have_their_control(definition):
    used = {
        body["VisualId"]: {
            column["DataSetIdentifier"] for column in bodies(body["ChartConfiguration"]["FieldWells"], "Column")
        }
        for body in visuals(definition)
    }
    controls = set(bodies([sheet["ParameterControls"] for sheet in definition["Sheets"]], "SourceParameterName"))
    parameters = {body["Name"] for each in definition["ParameterDeclarations"] for body in each.values()}
    assert controls == parameters
    for group in definition["FilterGroups"]:
        datasets = {column["DataSetIdentifier"] for column in bodies(group["Filters"], "Column")}
        for scope in bodies(group, "VisualIds"):
            assert all(used[visual] == datasets for visual in scope)


@pytest.mark.parametrize(("name", "days"), [("today", 2), ("planning", 28 + 4 * 7), ("trust", 28)])
def test_a_dashboard_opens_with_its_days_and_the_weeks_that_its_lines_are_compared_with(definitions, name, days):
    rolling = {
        body["Name"]: body["DefaultValues"]["RollingDate"]["Expression"]
        for body in bodies(definitions[name]["ParameterDeclarations"], "DateTimeParameterDeclaration")
    }
    # At 16:00 in Los Angeles the day of UTC is tomorrow.
    today = "truncDate('DD', addDateTime(-480, 'MI', now()))"
    assert rolling == {"DateFrom": f"addDateTime(-{days - 1}, 'DD', {today})", "DateTo": today}


def test_days_are_not_moved_by_a_time_zone_of_the_dashboard(definition):
    """It would convert dates too, which are midnights to QuickSight; what it shows in UTC says so instead."""
    assert list(bodies(definition, "Timezone")) == []


def test_every_visual_of_a_dataset_that_has_the_column_is_filtered_by_each_control(specs, definitions):
    for dashboard in specs.dashboards:
        groups = {
            group["FilterGroupId"]: set(chain(*bodies(group, "VisualIds")))
            for group in definitions[dashboard.name]["FilterGroups"]
        }
        for control in dashboard.controls:
            for visual in dashboard.visuals:
                dataset = specs.datasets[visual.dataset]
                applies = control.column is None or control.column in dataset.all_columns
                if dataset.source != "athena" or not applies or (visual.slider and control.kind == "date_range"):
                    continue
                filtered = groups[f"{control.id}-{dataset.name}"]
                assert any(each == visual.id or each.startswith(f"{visual.id}-") for each in filtered)


def test_what_is_observed_too_little_is_told_apart_in_every_visual_of_a_figure(specs, definitions):
    for dashboard in specs.dashboards:
        made = definitions[dashboard.name]
        expressions = {
            (field["DataSetIdentifier"], field["Name"]): field["Expression"] for field in made["CalculatedFields"]
        }
        for body in visuals(made):
            spec_id = body["VisualId"].partition("-")[0]
            (visual,) = [visual for visual in dashboard.visuals if visual.id == spec_id]
            dataset = specs.datasets[visual.dataset]
            reliability = dataset.reliability
            only_shows_it = reliability and set(visual.measures) == {reliability.measure}
            is_its_figure = body["VisualId"].endswith(f"-{reliability.measure}") if reliability else False
            if reliability is None or is_its_figure or (only_shows_it and visual.kind == "heat_map"):
                continue
            shown = [
                expressions.get((column["DataSetIdentifier"], column["ColumnName"]), "")
                for column in bodies(body, "Column")
            ]
            rules = list(bodies(body.get("ConditionalFormatting", {}), "Expression"))
            is_moment = bool(list(bodies(body, "DateMeasureField")))
            assert is_moment or any(f"< {reliability.at_least:g}" in text for text in (*shown, *rules)), body[
                "VisualId"
            ]


def test_a_rule_of_formatting_asks_for_what_its_visual_shows(definition):
    for body in visuals(definition):
        shown = {column["ColumnName"] for column in bodies(body["ChartConfiguration"]["FieldWells"], "Column")}
        for rule in bodies(body.get("ConditionalFormatting", {}), "Expression"):
            assert set(re.findall(r"\{([^}]+)\}", rule)) <= shown, body["VisualId"]


def test_what_quicksight_cannot_read_is_left_out_and_said(specs, definitions):
    (today,) = [dashboard for dashboard in specs.dashboards if dashboard.name == "today"]
    (alerts,) = [visual for visual in today.visuals if specs.datasets[visual.dataset].source != "athena"]
    sheet = next(sheet for sheet in definitions["today"]["Sheets"] if sheet["SheetId"] == "happening")
    assert alerts.id not in {body["VisualId"] for body in visuals(definitions["today"])}
    assert alerts.title in sheet["Description"]


@pytest.mark.parametrize(("name", "what"), [("segment_heat", "segment"), ("corridor_heat", "corridor")])
def test_a_visual_of_one_thing_says_that_it_shows_all_until_one_is_picked(definitions, name, what):
    (body,) = [body for body in visuals(definitions["today"]) if body["VisualId"] == name]
    says = f"Here all are shown together until one {what} is picked in the list of this visual."
    assert says in body["Subtitle"]["FormatText"]["PlainText"]


def test_points_of_the_map_have_a_colour_for_every_class(definitions):
    (chart,) = [body for body in visuals(definitions["today"]) if body["VisualId"] == "congestion_map"]
    colours = {each["Element"]["FieldValue"]: each["Color"] for each in bodies(chart, "ColorMap").__next__()}
    (field,) = [each for each in definitions["today"]["CalculatedFields"] if each["Name"].endswith(", class")]
    assert set(re.findall(r"'([^']+)'", field["Expression"])) == set(colours)
    assert len(set(colours.values())) == len(colours)


def test_pointing_at_a_mark_of_the_map_names_its_segment(definitions):
    (chart,) = [body for body in visuals(definitions["today"]) if body["VisualId"] == "congestion_map"]
    tooltip = chart["ChartConfiguration"]["Tooltip"]
    assert (tooltip["TooltipVisibility"], tooltip["SelectedTooltipType"]) == ("VISIBLE", "DETAILED")
    named, band, *figures = tooltip["FieldBasedTooltip"]["TooltipFields"]
    # The segment's own id, or the same where a control offers it.
    assert named["ColumnTooltipItem"]["Column"]["ColumnName"] == "segment_id_choice"
    assert named["ColumnTooltipItem"]["Label"] == "segment"
    # No count of segments, which is what QuickSight makes of a text otherwise.
    (name,) = named["ColumnTooltipItem"]["Aggregation"].values()
    assert name["SimpleAttributeAggregation"] == "UNIQUE_VALUE"
    wells = chart["ChartConfiguration"]["FieldWells"]["GeospatialMapAggregatedFieldWells"]
    assert [band["FieldTooltipItem"]["FieldId"]] == list(bodies(wells["Colors"], "FieldId"))
    labels = ["Congestion index (0–100)", "Speed (km/h)", "Delay (veh·h)", "Observed (%)"]
    assert [each["ColumnTooltipItem"]["Label"] for each in figures] == labels
    # Marks of one size: by a measure those without a figure would have none.
    assert "Values" not in wells
    assert f"“{name['ValueForMultipleValues']}”" in chart["Subtitle"]["FormatText"]["PlainText"]


def luminance(color):
    parts = [int(color[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(color, ground):
    darker, lighter = sorted((luminance(color), luminance(ground)))
    return (lighter + 0.05) / (darker + 0.05)


def test_figures_can_be_read_where_they_are_doubtful(definitions):
    texts = {each["Solid"]["Color"] for each in bodies(definitions, "TextColor")}
    assert min(contrast(color, "#FFFFFF") for color in texts) >= 4.5  # WCAG 2.2, 1.4.3


def test_a_mark_without_a_figure_is_seen_on_the_map_and_is_not_of_its_scale(definitions):
    (chart,) = bodies(definitions["today"], "GeospatialMapVisual")
    (classes,) = bodies(chart, "ColorMap")
    colours = {each["Element"]["FieldValue"]: each["Color"] for each in classes}
    (unknown,) = [color for label, color in colours.items() if label.endswith("unknown")]
    assert contrast(unknown, "#E8E8E8") >= 3  # WCAG 2.2, 1.4.11
    assert unknown not in {shade for scale in colors.SCALES.values() for shade in scale}
    # What is grey is doubtful.
    channels = [int(unknown[at : at + 2], 16) for at in (1, 3, 5)]
    assert max(channels) - min(channels) > 100
    assert "A brown mark has no figure." in chart["Subtitle"]["FormatText"]["PlainText"]


@pytest.mark.parametrize("name", list(colors.SCALES))
def test_a_scale_is_ordered_by_lightness_alone(name):
    lightness = [luminance(color) for color in colors.SCALES[name]]
    assert lightness == sorted(lightness)
    assert min(right - left for left, right in pairwise(lightness)) > 0.03


def test_the_worse_end_of_a_scale_stands_out_from_the_light_ground(specs, definitions):
    """As on the page in light mode: classes of a map and stops of a gradient are the darker the worse."""
    assert colors.BASE_THEME == "CLASSIC"
    worse = {}
    for dashboard in specs.dashboards:
        found = {body["VisualId"]: body for body in visuals(definitions[dashboard.name])}
        for visual in dashboard.visuals:
            if visual.colors is None:
                continue
            body = found[visual.id]
            worse[visual.id] = specs.datasets[visual.dataset].measures[visual.measures[0]].worse
            if visual.kind == "map":
                assert body["ChartConfiguration"]["MapStyleOptions"]["BaseMapStyle"] == "LIGHT_GRAY"
                classes = [
                    each for each in bodies(body, "ColorMap").__next__() if " to " in each["Element"]["FieldValue"]
                ]
                shades = [each["Color"] for each in sorted(classes, key=lambda one: one["Element"]["FieldValue"])]
            else:
                (stops,) = bodies(body["ChartConfiguration"]["ColorScale"], "Colors")
                shades = [each["Color"] for each in sorted(stops, key=lambda one: one["DataValue"])]
            lightness = [luminance(color) for color in shades]
            assert lightness == sorted(lightness, reverse=worse[visual.id] != "low"), visual.id
    assert {"high", "low"} <= set(worse.values())
