"""Rows on the disk survive a kill."""

from pathlib import Path

import pytest

from gin.errors import InputError
from gin.utils.tables import Records

COLUMNS = ("name", "value")
ROWS = [{"name": 'a, "b"', "value": "0.1"}, {"name": "é\udce9", "value": "inf"}]


def filled(path: Path) -> Records:
    records = Records(path, COLUMNS)
    assert records.recover() == []
    for row in ROWS:
        records.append(row)
    return records


def test_rows_come_back(tmp_path: Path) -> None:
    records = filled(tmp_path / "deep" / "r.csv")
    assert records.recover() == ROWS


def test_floats_come_back_bit_for_bit(tmp_path: Path) -> None:
    records = Records(tmp_path / "r.csv", COLUMNS)
    records.recover()
    values = [0.1 + 0.2, 1e-300, float("inf"), 1 / 3]
    for value in values:
        records.append({"name": "x", "value": value})
    assert [float(row["value"]) for row in records.recover()] == values


def test_wherever_a_row_is_torn_the_whole_ones_remain(tmp_path: Path) -> None:
    path = tmp_path / "r.csv"
    whole = filled(path).path.read_bytes()
    start = whole.rindex(b"\n", 0, -1) + 1
    for end in range(start, len(whole)):
        path.write_bytes(whole[:end])
        records = Records(path, COLUMNS)
        assert records.recover() == ROWS[:1]
        records.append(ROWS[1])
        assert path.read_bytes() == whole


@pytest.mark.parametrize("content", ["", "a,b\n", "name,value\nx\n", "\n", "a letter"])
def test_another_table_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "r.csv").write_text(content)
    with pytest.raises(InputError, match=r"r\.csv: not the table .*name, value"):
        Records(tmp_path / "r.csv", COLUMNS).recover()
    assert (tmp_path / "r.csv").read_text() == content


def test_a_value_that_is_not_there_is_empty(tmp_path: Path) -> None:
    records = Records(tmp_path / "r.csv", COLUMNS)
    records.recover()
    records.append({"name": "x"})
    assert records.recover() == [{"name": "x", "value": ""}]
