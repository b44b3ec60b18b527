"""What curation refuses, kept whole: landed rows with their reasons, and records that did not convert on landing."""

from pyspark.sql import DataFrame
from pyspark.sql import functions as F

from ingestion.contract.spark import table_schema

# The parts of Firehose's documented error format that are kept.
_ERROR = "arrivalTimestamp BIGINT, lastErrorCode STRING, lastErrorMessage STRING, rawData STRING"


def refused(parsed: DataFrame) -> DataFrame:
    """Return the refused rows of `parsing.parse` in the columns of `curated.rejected_readings`."""
    return _in_contract_order(
        parsed.where(F.size("reasons") > 0).select(
            *("arrival_hour", "arrived_at", "source_file", "source_row", "sensor_id", "reasons", "original"),
            F.lit("landing").alias("source_kind"),
            F.lit(None).cast("string").alias("error_message"),
            F.lit("text").alias("original_encoding"),
        )
    )


def unconverted(lines: DataFrame) -> DataFrame:
    """Return error lines of `landing.read_delivery_errors` in the columns of `curated.rejected_readings`.

    `original` is what was sent, as text where it is UTF-8, else in base64; a line that is no error record is kept
    as it stands.
    """
    read = lines.select("*", F.from_json("line", _ERROR).alias("error"))
    sent = read.select("*", F.unbase64("error.rawData").alias("sent"))
    text = sent.withColumn("text", F.decode("sent", "UTF-8"))
    is_text = F.encode("text", "UTF-8") == F.col("sent")
    return _in_contract_order(
        text.select(
            *("arrival_hour", "source_file", "source_row"),
            F.coalesce(F.timestamp_millis("error.arrivalTimestamp").cast("timestamp_ntz"), F.col("object_time")).alias(
                "arrived_at"
            ),
            F.lit("delivery_error").alias("source_kind"),
            F.when(is_text, F.get_json_object("text", "$.sensor_id")).alias("sensor_id"),
            F.array(F.lit("conversion_error")).alias("reasons"),
            F.concat_ws(": ", "error.lastErrorCode", "error.lastErrorMessage").alias("error_message"),
            F.when(F.col("sent").isNull(), F.col("line"))
            .when(is_text, F.col("text"))
            .otherwise(F.col("error.rawData"))
            .alias("original"),
            F.when(F.coalesce(is_text, F.lit(True)), "text").otherwise("base64").alias("original_encoding"),
        )
    )


def _in_contract_order(frame: DataFrame) -> DataFrame:
    return frame.select(table_schema("curated.rejected_readings").names)
