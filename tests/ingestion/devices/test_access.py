"""Names of devices, and that each is safe as a level of a topic and as a resource of a policy."""

import pytest

from ingestion.devices.access import device_id_problem


@pytest.mark.parametrize("device_id", ["1", "sensor-17", "a:b_C-9", "x" * 128])
def test_thing_names_are_taken(device_id: str) -> None:
    assert device_id_problem(device_id) is None


@pytest.mark.parametrize(
    ("device_id", "word"),
    [
        ("", "empty"),
        ("x" * 129, "129"),
        ("a/b", "'/'"),
        ("+", "'+'"),
        ("#", "'#'"),
        ("$aws", "'$'"),
        ("a*", "'*'"),
        ("a?", "'?'"),
        ("${iot:ClientId}", "'{'"),
        ("a b", "' '"),
        ("a\n", r"'\n'"),
        ("a\0", r"'\x00'"),
        ("zähler", "'ä'"),
        ("..", "'.'"),
    ],
)
def test_any_other_name_is_refused_with_what_is_wrong(device_id: str, word: str) -> None:
    assert word in (device_id_problem(device_id) or "")
