"""The rules of an event source mapping, on records by number alone."""

import pytest

from infra.local import stream_batches
from infra.local.stream_batches import Batch, Next, Rules


def rules(*, bisect=False, retries=2, age_limit_s=-1):
    return Rules(100, 0, bisect, retries, age_limit_s, reports_failures=True, destination_arn=None)


def batch(*numbers, failed=0):
    records = [{"SequenceNumber": str(number), "ApproximateArrivalTimestamp": float(number)} for number in numbers]
    return Batch(tuple(records), failed)


@pytest.mark.parametrize(
    ("answer", "done"),
    [
        (None, 3),
        ({}, 3),
        ({"batchItemFailures": []}, 3),
        ({"batchItemFailures": None}, 3),
        ({"batchItemFailures": [{"itemIdentifier": "2"}]}, 1),
        ({"batchItemFailures": [{"itemIdentifier": "3"}, {"itemIdentifier": "2"}]}, 1),
        ({"batchItemFailures": [{"itemIdentifier": ""}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": None}]}, 0),
        ({"batchItemFailures": [{"wrongKey": "2"}]}, 0),
        ({"batchItemFailures": [{"itemIdentifier": "9"}]}, 0),
        ({"batchItemFailures": "2"}, 0),
        ("done", 0),
    ],
)
def test_an_answer_says_how_many_of_the_first_records_are_done(answer, done):
    assert stream_batches.done(answer, ["1", "2", "3"]) == done


def test_an_error_splits_in_halves_at_no_cost_until_one_record_is_left():
    halves = Next((batch(1, 2, failed=1), batch(3, 4, 5, failed=1)))
    assert stream_batches.after_error(batch(1, 2, 3, 4, 5, failed=1), rules(bisect=True)) == halves
    assert stream_batches.after_error(batch(1, failed=1), rules(bisect=True)) == Next((batch(1, failed=2),))


def test_without_bisecting_the_whole_batch_comes_again_until_the_limit():
    assert stream_batches.after_error(batch(1, 2), rules(retries=1)) == Next((batch(1, 2, failed=1),))
    assert stream_batches.after_error(batch(1, 2, failed=1), rules(retries=1)) == Next((), batch(1, 2, failed=2))
    assert stream_batches.after_error(batch(1), rules(retries=0)) == Next((), batch(1, failed=1))
    assert stream_batches.after_error(batch(1, failed=999), rules(retries=-1)) == Next((batch(1, failed=1000),))


def test_a_partial_answer_leaves_the_rest_which_costs_a_retry_unless_bisecting():
    assert stream_batches.after_answer(batch(1, 2, 3), 3, rules()) == Next()
    assert stream_batches.after_answer(batch(1, 2, 3), 1, rules()) == Next((batch(2, 3, failed=1),))
    assert stream_batches.after_answer(batch(1, 2, 3), 1, rules(bisect=True)) == Next((batch(2, 3),))
    assert stream_batches.after_answer(batch(1, 2), 0, rules(bisect=True)) == Next((batch(1, 2, failed=1),))
    assert stream_batches.after_answer(batch(1, 2, failed=2), 1, rules()) == Next((), batch(2, failed=3))


def test_records_older_than_the_limit_are_given_up():
    assert stream_batches.too_old(batch(10, 20, 30), rules(age_limit_s=60), 80.5) == Next((batch(30),), batch(10, 20))
    assert stream_batches.too_old(batch(10), rules(age_limit_s=60), 70) == Next((batch(10),))
    assert stream_batches.too_old(batch(10), rules(age_limit_s=60), 71) == Next((), batch(10))
    assert stream_batches.too_old(batch(10), rules(age_limit_s=-1), 1e9) == Next((batch(10),))
