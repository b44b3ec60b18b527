"""Hive's storage formats: SerDe and input and output format by their short names."""

_HADOOP_TEXT = "org.apache.hadoop.mapred.TextInputFormat"
_HIVE_TEXT = "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat"
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"
_ORC = "org.apache.hadoop.hive.ql.io.orc"
_AVRO = "org.apache.hadoop.hive.ql.io.avro.AvroContainer"

LAZY_SIMPLE = "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe"

STORED_AS = {
    "TEXTFILE": (LAZY_SIMPLE, _HADOOP_TEXT, _HIVE_TEXT),
    "PARQUET": (
        f"{_PARQUET}.serde.ParquetHiveSerDe",
        f"{_PARQUET}.MapredParquetInputFormat",
        f"{_PARQUET}.MapredParquetOutputFormat",
    ),
    "ORC": (f"{_ORC}.OrcSerde", f"{_ORC}.OrcInputFormat", f"{_ORC}.OrcOutputFormat"),
    "AVRO": ("org.apache.hadoop.hive.serde2.avro.AvroSerDe", f"{_AVRO}InputFormat", f"{_AVRO}OutputFormat"),
    "JSON": ("org.apache.hive.hcatalog.data.JsonSerDe", _HADOOP_TEXT, _HIVE_TEXT),
    "SEQUENCEFILE": (
        LAZY_SIMPLE,
        "org.apache.hadoop.mapred.SequenceFileInputFormat",
        "org.apache.hadoop.hive.ql.io.HiveSequenceFileOutputFormat",
    ),
    "RCFILE": (
        "org.apache.hadoop.hive.serde2.columnar.LazyBinaryColumnarSerDe",
        "org.apache.hadoop.hive.ql.io.RCFileInputFormat",
        "org.apache.hadoop.hive.ql.io.RCFileOutputFormat",
    ),
}
