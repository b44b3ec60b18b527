import base64
import json
import math
from datetime import UTC, datetime

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.json_documents import MALFORMED_DATA, PARSE_ERROR, Malformed, split_documents
from ingestion.json_records import arrow_schema, convert, convert_payloads, error_line

COLUMNS = [("sensor_id", "string"), ("timestamp", "string"), ("vehicle_count", "double")]


def rows_of(*documents: bytes, columns=COLUMNS):
    table, failures = convert(documents, columns)
    return table.to_pylist(), failures


def row(**values):
    return {"sensor_id": None, "timestamp": None, "vehicle_count": None} | values


@pytest.mark.parametrize(
    "payload",
    [b'{"a":1}{"a":2}', b'{"a":1}\n{"a":2}\n', b' {"a":1} \r\n\n {"a":2}', b'{"a":1} {"a":2}'],
)
def test_concatenated_documents_are_read_whatever_separates_them(payload):
    assert split_documents(payload) == [b'{"a":1}', b'{"a":2}']


def test_a_document_over_several_lines_is_one():
    payload = b'{\n"a":\n{}\n}\n{"b":"}{"}'
    assert split_documents(payload) == [b'{\n"a":\n{}\n}', b'{"b":"}{"}']


def test_documents_before_malformed_json_are_kept_and_the_rest_is_one_failure():
    good, bad = b'{"sensor_id":"\xc3\xa4"}', b'{"sensor_id": \n{"sensor_id":"b"}'
    first, second = split_documents(good + b"\n" + bad)
    assert first == good
    assert (second.raw, second.code) == (bad, PARSE_ERROR)


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (b"", MALFORMED_DATA),
        (b" \n\t", MALFORMED_DATA),
        (b"[1]", MALFORMED_DATA),
        (b'[{"a":1},{"a":2}]', MALFORMED_DATA),
        (b"42", MALFORMED_DATA),
        (b"null", MALFORMED_DATA),
        (b'"text"', MALFORMED_DATA),
        (b'{"a":\xff}', MALFORMED_DATA),
        (b'{"a":"\xff\xfe"}', MALFORMED_DATA),
        (b'{"a":1', PARSE_ERROR),
        (b"{'a':1}", PARSE_ERROR),
        (b'{"a":NaN}', PARSE_ERROR),
        (b'{"a":-Infinity}', PARSE_ERROR),
        (b'{"a":1,}', PARSE_ERROR),
        (b"not json at all", PARSE_ERROR),
        (b"[" * 100_000, PARSE_ERROR),
        (b'{"a":"' + b"x" * 1_000_000, PARSE_ERROR),
    ],
)
def test_what_is_no_document_is_kept_whole_with_its_code(payload, code):
    (found,) = split_documents(payload)
    assert isinstance(found, Malformed)
    assert (found.raw, found.code) == (payload, code)


def test_an_array_does_not_spoil_the_documents_after_it():
    first, second, third = split_documents(b'{"a":1}[{"a":2}]{"a":3}')
    assert (first, third) == (b'{"a":1}', b'{"a":3}')
    assert second.raw == b'[{"a":2}]'


def test_an_empty_document_is_a_row_of_nulls():
    assert rows_of(b"{}") == ([row()], [])


def test_keys_compare_without_case_and_unknown_keys_are_dropped():
    rows, failures = rows_of(b'{"Sensor_ID":"s1","Colour":"red"}', b'{"sensor_id":"s2"}')
    assert rows == [row(sensor_id="s1"), row(sensor_id="s2")]
    assert not failures


def test_of_a_repeated_key_the_last_one_counts():
    rows, _ = rows_of(b'{"sensor_id":"a","sensor_id":"b"}', b'{"SENSOR_ID":"a","sensor_id":"b"}')
    assert rows == [row(sensor_id="b"), row(sensor_id="b")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (b'"s1"', "s1"),
        (b"1700000000123", "1700000000123"),
        (b"1700000000.250", "1700000000.250"),
        (b"1.7E9", "1.7E9"),
        (b"123456789012345678901234567890", "123456789012345678901234567890"),
        (b"true", "true"),
        (b"false", "false"),
        (b"null", None),
        (b'{"Key":[1,{"B":null}]}', '{"key":[1,{"b":null}]}'),
        (b'"\xc3\xa4\\u0000"', "ä\0"),
    ],
)
def test_string_columns_hold_the_literal_text(value, text):
    assert rows_of(b'{"timestamp":' + value + b"}") == ([row(timestamp=text)], [])


@pytest.mark.parametrize(
    ("value", "number"),
    [
        (b"3", 3.0),
        (b"3.5", 3.5),
        (b"9007199254740993", 9007199254740992.0),
        (b"123456789012345678901234567890", 1.2345678901234568e29),
        (b'"3.5"', 3.5),
        (b'" 4e1 "', 40.0),
        (b"null", None),
    ],
)
def test_double_columns_take_numbers_and_texts_that_hold_one(value, number):
    assert rows_of(b'{"vehicle_count":' + value + b"}") == ([row(vehicle_count=number)], [])


@pytest.mark.parametrize(
    "value", [b"true", b"false", b'"many"', b'""', b'"NaN"', b'"1_000"', b'"1e999"', b"{}", b"[1]", '"٣"'.encode()]
)
def test_double_columns_refuse_the_rest_and_keep_the_document(value):
    document = b'{"sensor_id":"s1","vehicle_count":' + value + b"}"
    rows, (failure,) = rows_of(b'{"sensor_id":"s0"}', document, b'{"sensor_id":"s2","vehicle_count":1}')
    assert rows == [row(sensor_id="s0"), row(sensor_id="s2", vehicle_count=1.0)]
    assert (failure.index, failure.raw, failure.code) == (1, document, MALFORMED_DATA)
    assert failure.message.startswith("Data does not match the schema. ")


def test_a_number_beyond_a_double_is_a_failure():
    _, (failure,) = rows_of(b'{"vehicle_count":1e999}')
    assert failure.raw == b'{"vehicle_count":1e999}'


@pytest.mark.parametrize("depth", [200, 900, 1100])
def test_deep_nesting_fails_its_document_only(depth):
    deep = b'{"sensor_id":' + b"[" * depth + b"1.5" + b"]" * depth + b',"timestamp":1.5}'
    rows, failures = rows_of(b'{"sensor_id":"s1"}', *split_documents(deep))
    assert rows[0] == row(sensor_id="s1")
    assert len(rows) + len(failures) == 2


def test_integer_and_boolean_columns():
    columns = [("n", "bigint"), ("i", "int"), ("b", "boolean")]
    rows, failures = rows_of(
        b'{"n":9223372036854775807,"i":"-5","b":"True"}',
        b'{"n":9223372036854775808}',
        b'{"i":2147483648}',
        b'{"i":1.5}',
        b'{"i":true}',
        b'{"b":1}',
        columns=columns,
    )
    assert rows == [{"n": 9223372036854775807, "i": -5, "b": True}]
    assert [failure.index for failure in failures] == [1, 2, 3, 4, 5]


def test_an_unsupported_column_type_is_named():
    with pytest.raises(ValueError, match="ts timestamp"):
        convert([b"{}"], [("ts", "timestamp")])


def test_batches_keep_order_and_positions():
    documents = [b'{"vehicle_count":%d}' % n for n in range(45_000)]
    documents[30_000] = b'{"vehicle_count":true}'
    table, failures = convert(documents, COLUMNS)
    assert [failure.index for failure in failures] == [30_000]
    assert table["vehicle_count"].to_pylist() == [float(n) for n in range(45_000) if n != 30_000]
    assert table.schema == arrow_schema(COLUMNS)


def test_no_documents_give_an_empty_table():
    table, failures = convert([], COLUMNS)
    assert (table.num_rows, table.schema, failures) == (0, arrow_schema(COLUMNS), [])


def test_the_error_line_has_the_documented_fields():
    line = error_line(
        Malformed(b"\xff{", PARSE_ERROR, "Encountered malformed JSON."),
        arrival=datetime(2026, 1, 2, 3, 4, 5, 678_000, UTC),
        attempt_end=datetime(2026, 1, 2, 3, 5, tzinfo=UTC),
        table={"databaseName": "raw", "tableName": "sensor_readings"},
        sequence_number="4967",
    )
    assert line.endswith(b"}\n")
    assert line.count(b"\n") == 1
    assert json.loads(line) == {
        "attemptsMade": 1,
        "arrivalTimestamp": 1767323045678,
        "lastErrorCode": "DataFormatConversion.ParseError",
        "lastErrorMessage": "Encountered malformed JSON.",
        "attemptEndingTimestamp": 1767323100000,
        "rawData": base64.b64encode(b"\xff{").decode(),
        "sequenceNumber": "4967",
        "subSequenceNumber": None,
        "dataCatalogTable": {
            "catalogId": None,
            "databaseName": "raw",
            "tableName": "sensor_readings",
            "region": None,
            "versionId": None,
            "catalogArn": None,
        },
    }


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=6,
)
documents = st.dictionaries(
    st.sampled_from(["sensor_id", "Sensor_Id", "timestamp", "vehicle_count", "other"]), json_values
).map(lambda value: json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass"))
chunks = st.one_of(documents, documents.map(lambda text: text[:-1]), json_values.map(json.dumps).map(str.encode))
payloads = st.lists(st.one_of(chunks, st.binary(max_size=8), st.sampled_from([b"\n", b" "])), max_size=6).map(b"".join)


@given(payloads)
def test_every_byte_is_in_a_row_or_in_a_failure(payload):
    found = split_documents(payload)
    position = 0
    for document in found:
        raw = document.raw if isinstance(document, Malformed) else document
        between, position = payload[position : payload.index(raw, position)], payload.index(raw, position) + len(raw)
        assert not between.strip()
    assert not payload[position:].strip()
    table, failures = convert(found, COLUMNS)
    assert table.num_rows + len(failures) == len(found)
    assert pa.types.is_float64(table.schema.field("vehicle_count").type)
    for failure in failures:
        given_document = found[failure.index]
        raw = given_document.raw if isinstance(given_document, Malformed) else given_document
        assert failure.raw == raw
    assert all(value is None or math.isfinite(value) for value in table["vehicle_count"].to_pylist())


@given(st.lists(payloads, max_size=5))
def test_payloads_convert_as_their_documents_do(several):
    found = [(owner, document) for owner, payload in enumerate(several) for document in split_documents(payload)]
    expected, expected_failures = convert([document for _, document in found], COLUMNS)
    table, failures = convert_payloads(several, COLUMNS)
    assert table.to_pylist() == expected.to_pylist()
    assert failures == [failure._replace(index=found[failure.index][0]) for failure in expected_failures]


def test_payloads_of_many_groups_keep_their_order_and_index():
    several = [b'{"vehicle_count":%d,"other":"%s"}' % (number, b"x" * 1000) for number in range(3000)]
    several[2500] = b'{"vehicle_count":1}\n{"vehicle_count":'
    table, (failure,) = convert_payloads(several, COLUMNS)
    assert (failure.index, failure.raw) == (2500, b'{"vehicle_count":')
    assert table["vehicle_count"].to_pylist() == [*range(2500), 1, *range(2501, 3000)]
