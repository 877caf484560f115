"""The chapter on masks measures the masks that it says."""

import numpy as np
from support import mask_study

from gin import masks


def test_a_look_is_a_kind_and_a_variant() -> None:
    rng = np.random.default_rng(5)
    expected = masks.free_form(64, 64, rng, "released")
    drawn = mask_study.draw("free-form, released", 64, 5)
    assert np.array_equal(drawn, expected)
    assert {kind for kind, _ in mask_study.LOOKS.values()} == {*masks.KINDS}


def test_a_walk_stays_inside_and_a_stroke_covers_its_corners() -> None:
    moves = np.array([[300.0, -500.0], [10.0, 20.0]])
    corners = masks.walk(moves, 40, 60, np.random.default_rng(0))
    assert len(corners) == 3
    assert all(0 <= x < 60 and 0 <= y < 40 for x, y in corners)
    picture = mask_study.Image.new("L", (60, 40))
    mask_study.paint(corners, 4, picture)
    assert all(np.asarray(picture)[y, x] == 1 for x, y in corners)


def test_the_history_applies_the_rule_six_times() -> None:
    history = mask_study.history(lambda cells: cells ^ 1)
    assert len(history) == 7
    assert np.array_equal(history[0], history[6])
    assert (history[0] != history[1]).all()


def test_the_table_has_the_mean_of_each_look_and_size() -> None:
    areas = {
        (look, size): np.array([1.0, 2.0]) + place
        for place, look in enumerate(mask_study.LOOKS)
        for size in mask_study.COUNTS
    }
    rows = mask_study.means(areas).rows
    assert [row[1] for row in rows] == ["1.5", "2.5", "3.5", "4.5"]
    assert [row[0] for row in rows] == list(mask_study.LOOKS)


def test_equal_masks_are_counted() -> None:
    assert mask_study.equal(masks.rectangular, masks.rectangular, 5) == 5
    assert mask_study.equal(masks.rectangular, masks.cellular_automata, 5) == 0
