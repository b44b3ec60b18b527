"""Runs a suite given as plain values `{"type": ..., "kwargs": {...}}` on one batch with Great Expectations.

The context is ephemeral and every name in it is derived from the suite's name, so running a suite again replaces it.
A first pass only asks which expectations hold: Great Expectations then computes all conditions in one aggregation.
Samples cost a scan per expectation, so only the failed ones are asked for them, in a second pass.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

from quality.results import Outcome, ValidationResult

if TYPE_CHECKING:
    from great_expectations import ValidationDefinition
    from great_expectations.core.batch_definition import BatchDefinition
    from great_expectations.data_context import EphemeralDataContext

Engine = Literal["pandas", "spark"]
ResultFormat = Literal["BOOLEAN_ONLY", "SUMMARY", "COMPLETE"]
Expectation = Mapping[str, Any]
SAMPLES = 5
# A query for unexpected rows gives samples (at most 200 rows) only when asked for everything; of other expectations
# everything would be every unexpected value of the batch.
ROWS_QUERY = "unexpected_rows_expectation"
DETAILS: Mapping[ResultFormat, bool] = {"SUMMARY": False, "COMPLETE": True}


def warm_up() -> threading.Thread:
    """Import Great Expectations in the background: it takes seconds, in which Spark or Athena can already work."""
    thread = threading.Thread(target=new_context, name="import-great-expectations", daemon=True)
    thread.start()
    return thread


def run_suite(name: str, expectations: Sequence[Expectation], frame: Any, engine: Engine) -> ValidationResult:  # noqa: ANN401
    """Check a pandas or Spark frame against a suite and say what held; raises nothing for data that fails."""
    started = time.perf_counter()
    context = new_context()
    batch = _batch_definition(context, name, engine)
    document = _run(_definition(context, batch, name, enumerate(expectations)), frame, "BOOLEAN_ONLY")
    results = {_position(result): result for result in document["results"]}
    for result_format, of_rows in DETAILS.items():
        failed = [
            (position, expectations[position])
            for position, result in results.items()
            if not result["success"] and (expectations[position]["type"] == ROWS_QUERY) == of_rows
        ]
        if failed:
            details = _run(_definition(context, batch, f"{name}-{result_format}", failed), frame, result_format)
            results |= {_position(result): result for result in details["results"]}
    rows = len(frame) if engine == "pandas" else frame.count()
    for result in results.values():
        if result["success"]:
            # Nothing unexpected is what success means here (no `mostly`); the data docs show it as 0 %.
            result["result"] |= {"element_count": rows, "unexpected_count": 0, "unexpected_percent": 0.0}
            columns = result["expectation_config"]["kwargs"].get("column_list")
            if columns:
                # Their page is ordered by what was observed, which here is what was expected.
                result["result"]["observed_value"] = columns
    document["results"] = [results[position] for position in sorted(results)]
    return ValidationResult(
        suite=name,
        rows=rows,
        seconds=time.perf_counter() - started,
        outcomes=tuple(_outcome(result) for result in document["results"]),
        document=document,
    )


def new_context() -> EphemeralDataContext:
    """Return an empty in-memory context without telemetry and progress bars."""
    os.environ["GX_ANALYTICS_ENABLED"] = "False"
    # Imported late: it takes seconds, and most of what imports this module only wants the plain values.
    import great_expectations as gx  # noqa: PLC0415
    from great_expectations.data_context.types.base import ProgressBarsConfig  # noqa: PLC0415

    context = gx.get_context(mode="ephemeral")
    context.variables.progress_bars = ProgressBarsConfig(globally=False, metric_calculations=False)
    return context


def _batch_definition(context: EphemeralDataContext, name: str, engine: Engine) -> BatchDefinition:
    if engine == "pandas":
        source = context.data_sources.add_or_update_pandas(engine)
    else:
        # Whether a batch is worth its memory, who gives it knows: Great Expectations would never free it.
        source = context.data_sources.add_or_update_spark(engine, persist=False)
    return source.add_dataframe_asset(name).add_batch_definition_whole_dataframe(name)


def _run(
    definition: ValidationDefinition,
    frame: Any,  # noqa: ANN401
    result_format: ResultFormat,
) -> dict[str, Any]:
    return definition.run(batch_parameters={"dataframe": frame}, result_format=result_format).to_json_dict()


def _definition(
    context: EphemeralDataContext, batch: BatchDefinition, name: str, expectations: Iterable[tuple[int, Expectation]]
) -> ValidationDefinition:
    from great_expectations import ExpectationSuite, ValidationDefinition  # noqa: PLC0415
    from great_expectations.expectations.expectation_configuration import ExpectationConfiguration  # noqa: PLC0415

    # The constructor keeps them all; `add_expectation_configuration` lets one replace another of the same column.
    configurations = [
        ExpectationConfiguration(**expectation, meta={"position": position}) for position, expectation in expectations
    ]
    suite = context.suites.add_or_update(ExpectationSuite(name=name, expectations=configurations))
    definition = ValidationDefinition(name=name, data=batch, suite=suite)
    return context.validation_definitions.add_or_update(definition)


def _position(result: Mapping[str, Any]) -> int:
    return result["expectation_config"]["meta"]["position"]


def _outcome(result: Mapping[str, Any]) -> Outcome:
    configuration, found = result["expectation_config"], result["result"]
    kwargs = {key: value for key, value in configuration["kwargs"].items() if key != "batch_id"}
    failing_rows, samples = found.get("unexpected_count"), found.get("partial_unexpected_list", [])
    if configuration["type"] == ROWS_QUERY and not result["success"]:
        failing_rows, samples = found.get("observed_value"), found.get("details", {}).get("unexpected_rows", [])
    elif "observed_value" in found:
        samples = [found["observed_value"]]
    return Outcome(
        expectation=configuration["type"],
        kwargs=kwargs,
        success=result["success"],
        description=configuration.get("description"),
        failing_rows=failing_rows,
        samples=tuple(samples[:SAMPLES]),
        error=None if result["success"] else _error(result["exception_info"]),
    )


def _error(exception_info: Mapping[str, Any]) -> str | None:
    """Return the message of what kept an expectation from being evaluated, None when it was evaluated."""
    # One exception is given flat, those of metrics nested under the metric's id.
    for info in (exception_info, *exception_info.values()):
        if isinstance(info, Mapping) and info.get("raised_exception"):
            return str(info["exception_message"]).strip().splitlines()[0]
    return None
