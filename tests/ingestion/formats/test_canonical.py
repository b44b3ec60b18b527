import gzip
import io
import json
import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingestion.errors import UnusableFileError
from ingestion.formats import canonical, check, documents

LINES = b'{"sensor_id":"A"}\r\n\n  {"sensor_id": "B"} \n'


@pytest.mark.parametrize("content", [LINES, gzip.compress(LINES, mtime=0), b"\xef\xbb\xbf" + LINES])
def test_lines_come_out_byte_for_byte_whether_plain_or_gzip(tmp_path, content):
    file = tmp_path / "readings"
    file.write_bytes(content)
    check("canonical", str(file))
    assert list(documents("canonical", str(file))) == [b'{"sensor_id":"A"}', b'{"sensor_id": "B"}']


def test_a_dash_reads_stdin_and_gzip_from_a_pipe_too(monkeypatch):
    class Stdin:
        buffer = io.BytesIO(gzip.compress(LINES))

    monkeypatch.setattr(sys, "stdin", Stdin())
    assert len(list(documents("canonical", "-"))) == 2


def test_malformed_lines_are_passed_on_for_the_pipeline_to_refuse(tmp_path):
    lines = [b'{"sensor_id":', b"[1, 2]", b"\xff\xfe\x00", b'{"a":NaN}', b'{"big":"' + b"x" * 1_000_000 + b'"}']
    file = tmp_path / "readings.json"
    file.write_bytes(b"\n".join([b"{}", *lines]))
    assert list(documents("canonical", str(file))) == [b"{}", *lines]


def test_an_empty_file_holds_no_documents(tmp_path):
    file = tmp_path / "empty"
    file.touch()
    assert list(documents("canonical", str(file))) == []


@given(st.lists(st.dictionaries(st.text(), st.text() | st.dictionaries(st.text(), st.integers())), min_size=1))
def test_concatenated_documents_come_apart_where_json_says_so(objects):
    pieces = [json.dumps(o, ensure_ascii=False).encode("utf-8", "surrogatepass") for o in objects]
    assert list(canonical.split(b"".join(pieces))) == pieces


def test_the_rest_after_the_last_whole_document_stays_whole():
    assert list(canonical.split(b'{"a":1} {"b":"}{"} {"c":{')) == [b'{"a":1}', b'{"b":"}{"}', b'{"c":{']


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        ("readings", gzip.compress(LINES * 100, mtime=0)[:-20], "broken gzip"),
        ("readings", "{}".encode("utf-16"), "is UTF-16"),
        ("readings.gz", LINES, "no gzip file"),
        ("readings.gz", b"", "no gzip file"),
    ],
)
def test_an_unusable_file_says_so_in_one_sentence(tmp_path, name, content, sentence):
    file = tmp_path / name
    file.write_bytes(content)
    with pytest.raises(UnusableFileError, match=sentence):
        list(documents("canonical", str(file)))
    with pytest.raises(UnusableFileError, match=sentence):
        check("canonical", str(file))


def test_a_missing_file_and_a_folder_are_refused(tmp_path):
    with pytest.raises(UnusableFileError, match="No such file"):
        list(documents("canonical", str(tmp_path / "none")))
    with pytest.raises(UnusableFileError, match="is a folder"):
        list(documents("canonical", str(tmp_path)))
    with pytest.raises(UnusableFileError, match="No such file"):
        check("canonical", str(tmp_path / "none"))
    with pytest.raises(UnusableFileError, match="is a folder"):
        check("canonical", str(tmp_path))


def test_a_check_takes_nothing_out_of_a_pipe():
    reader, writer = os.pipe()
    os.write(writer, LINES)
    os.close(writer)
    check("canonical", f"/dev/fd/{reader}")
    assert len(list(documents("canonical", f"/dev/fd/{reader}"))) == 2
    os.close(reader)


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(UnusableFileError, match="canonical, portal, metr-la"):
        documents("xml", "file")
