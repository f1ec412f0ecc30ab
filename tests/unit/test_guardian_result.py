"""Which results are accepted: exactly what jsonb takes."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pg_tasks.guardian.result import Result, check, take

_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"])),
    lambda below: st.lists(below) | st.dictionaries(
        st.text(st.characters(min_codepoint=1, exclude_categories=["Cs"])), below),
    max_leaves=20,
)  # fmt: skip


@given(_json, st.booleans())
def test_json_is_accepted_as_it_is(value: object, escaped: bool) -> None:
    text = json.dumps(value, ensure_ascii=escaped)
    assert check(text.encode()) == Result(text, None)


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "{", "[1,]", "{'a': 1}", "01", "nul", '"a\nb"', '"\x01"', "NaN", "[Infinity]",
        '{"a": -Infinity}', '"\\u0000"', '{"\\u0000": 1}', '["a", ["\\u0000"]]', '"\\ud800"',
        '{"a": {"\\udc00": 1}}', "1e200000", "-1e-99999", "1" * 20_000, "[" * 600 + "]" * 600,
        "[" * 100_000, '{"a":' * 600 + "1" + "}" * 600,
    ],
)  # fmt: skip
def test_what_jsonb_refuses_is_refused(text: str) -> None:
    result = check(text.encode())
    assert result.text is None
    assert result.error
    assert "\n" not in result.error


@pytest.mark.parametrize(
    "text",
    [
        '"\\\\u0000"',
        '"\\ud83d\\ude00"',
        "1e999",
        "1" * 5000,
        '{"a":1,"a":2}',
        "[" * 400 + "]" * 400,
    ],
)
def test_what_only_looks_wrong_is_accepted(text: str) -> None:
    assert check(text.encode()) == Result(text, None)


def test_bytes_that_are_no_utf8_are_refused() -> None:
    assert check(b'"\xff"').error
    assert check('"é"'.encode("latin-1")).error
    assert check('"a"'.encode("utf-16")).error


def test_a_file_is_read_once_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "1-1.json"
    path.write_text("[1]")
    assert take(str(path), 100) == Result("[1]", None)
    assert not path.exists()
    assert take(str(path), 100) == Result(None, None)


def test_an_empty_file_is_no_result(tmp_path: Path) -> None:
    path = tmp_path / "1-1.json"
    path.touch()
    assert take(str(path), 100) == Result(None, None)


def test_a_file_of_the_limit_is_accepted_and_a_longer_one_is_not(tmp_path: Path) -> None:
    path = tmp_path / "1-1.json"
    path.write_text('"' + "x" * 98 + '"')
    assert take(str(path), 100).error is None
    path.write_text('"' + "x" * 99 + '"')
    assert take(str(path), 100) == Result(None, "the result file is longer than 100 bytes")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"x", "the result file is not JSON: Expecting value"),
        (b"\xff", "the result file is not JSON: 'utf-8' codec can't decode byte 0xff"),
        (b'"\\u0000"', "the result file is not JSON that PostgreSQL takes: it contains \\u0000"),
        (b"[" * 600 + b"]" * 600, "the result file is nested too deeply"),
    ],
)
def test_what_is_wrong_is_said_of_the_result_file(data: bytes, said: str) -> None:
    assert (check(data).error or "").startswith(said)
