"""Methods measured under the same masks; killed and resumed; twice the same."""

import csv
import json
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from data_trees import photograph
from PIL import Image
from random_backbones import with_biases
from safetensors.torch import save_file
from segmenters import by_brightness
from tiny_evaluation import (
    METHODS,
    Sums,
    evaluation,
    grey,
    photos,
    report,
    run,
    seen,
    written,
)
from tiny_evaluation import nowhere as fails

from gin import masks
from gin.baselines.interface import complete
from gin.baselines.methods import Candidate
from gin.data import mask_sets
from gin.errors import InputError, Unavailable
from gin.evaluation import evaluator as module
from gin.evaluation.evaluator import MetricNetworks
from gin.evaluation.fid_kid import Distribution
from gin.evaluation.metrics import VggDistance, composite, measure
from gin.evaluation.outputs import Reports
from gin.evaluation.protocol import ORIGINAL, Group
from gin.evaluation.segmentation import SEGMENTATION_METRICS
from gin.utils.files import PARTIAL, locked
from gin.vgg import Lpips

SEEDED = Group("photos", ORIGINAL, "rectangular")
FREE = SEEDED._replace(masks="free_form")


def tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture.copy()).permute(2, 0, 1)[None]


def test_every_photograph_is_measured_under_its_own_mask(tmp_path: Path) -> None:
    found = run(tmp_path / "t.md", photos(tmp_path))
    assert len(found.values) == 4 * 3 * 3
    image = np.asarray(photograph(2))
    mask = mask_sets.draw(0, "002.png", "rectangular", image.shape[1::-1])
    hole = torch.from_numpy(mask)[None, None]
    expected = measure(tensor(np.full_like(image, 128)), tensor(image), hole)
    values = found.values[SEEDED, "002.png", "grey"]
    assert values.pop("hole") == masks.area(mask)
    assert values == {name: value.item() for name, value in expected.items()}


def test_sets_are_compared_by_kind_and_together(tmp_path: Path) -> None:
    found = run(tmp_path / "t.md", photos(tmp_path))
    kinds, union = Distribution(Sums()), {}
    for kind in masks.KINDS:
        each = Distribution(Sums())
        for number in range(4):
            image = np.asarray(photograph(number))
            mask = mask_sets.draw(0, f"{number:03}.png", kind, image.shape[1::-1])
            hole = torch.from_numpy(mask)[None, None]
            filled = composite(tensor(np.full_like(image, 128)), tensor(image), hole)
            each.update(filled, tensor(image), [f"{number:03}.png"])
        assert found.set_values[SEEDED._replace(masks=kind), "grey"] == each.compute()
        union |= {f"{kind}/{name}": pair for name, pair in each.features.items()}
    kinds.features = union
    assert found.set_values[SEEDED._replace(masks="all"), "grey"] == kinds.compute()


def test_the_masks_are_kept_and_hashed(tmp_path: Path) -> None:
    found = report(tmp_path / "t.md", photos(tmp_path))
    for kind in masks.KINDS:
        mark = mask_sets.Fingerprint()
        for number in range(4):
            path = tmp_path / f"t/masks/photos/original/{kind}/{number:03}.png"
            kept = masks.load_mask(path)
            name = f"{number:03}.png"
            assert np.array_equal(kept, mask_sets.draw(0, name, kind, (48, 40)))
            mark.add(name, kept)
        digest = found.masks[SEEDED._replace(masks=kind)]
        assert digest == mark.text()
        assert digest in (tmp_path / "t.md").read_text("utf-8")


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    folder = photos(tmp_path, 2)
    for place, seed in (("one", 3), ("two", 3), ("other", 4)):
        options = {"seed": seed, "masks": ["free_form"], "sizes": (ORIGINAL, "256")}
        report(tmp_path / place / "t.md", folder, candidates=METHODS[:1], **options)
    one, two, other = (
        written(tmp_path / place / "t.md") for place in ("one", "two", "other")
    )
    assert one == two
    assert one.keys() == other.keys()
    assert not [name for name in one if "masks/" in name and one[name] == other[name]]
    assert b"seconds" not in one["t.md"] + one["t.csv"] + one["t.html"]


class Killed(BaseException):
    """As sudden as a signal."""


@pytest.mark.parametrize("calls", [0, 7])
def test_a_killed_evaluation_goes_on_to_the_same_bytes(
    calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path, 3)
    options = {"masks": ["rectangular", "free_form"]}
    report(tmp_path / "whole" / "t.md", folder, **options)
    done = []

    def counted(method, image, mask):
        if len(done) == calls:
            raise Killed
        done.append(method)
        return complete(method, image, mask)

    out = tmp_path / "killed" / "t.md"
    with monkeypatch.context() as patch:
        patch.setattr(module, "complete", counted)
        # Inception's features are lost, as if there had been no time to save them.
        patch.setattr(Distribution, "save", lambda *_: None)
        with pytest.raises(Killed):
            run(out, folder, **options)
        assert not out.exists()
    with (out.with_suffix("") / "records.csv").open("a") as file:
        file.write("photos,original,rect")  # a row that was torn
    left, mine = (
        out.with_suffix("") / "masks" / name
        for name in (f".half{PARTIAL}", ".pre-commit-config.yaml")
    )
    left.touch()
    mine.touch()
    report(out, folder, resume=True, **options)
    assert written(out) == written(tmp_path / "whole" / "t.md")
    assert not left.exists()
    assert mine.exists()


def test_a_resumed_evaluation_measures_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = photos(tmp_path)
    out = tmp_path / "t.md"
    first = run(out, folder)
    before = (tmp_path / "t" / "records.csv").read_bytes()

    def never(*arguments):
        raise AssertionError("was done already")

    monkeypatch.setattr(module, "complete", never)
    again = run(out, folder, resume=True)
    assert (tmp_path / "t" / "records.csv").read_bytes() == before
    assert (again.values, again.set_values, again.masks) == (
        first.values,
        first.set_values,
        first.masks,
    )


def test_hidden_pixels_reach_no_method(tmp_path: Path) -> None:
    """Other pixels under the holes: the methods are given the same arrays."""
    given: dict[str, list[bytes]] = {}

    def spy(place: str) -> Candidate:
        def method(image: np.ndarray, mask: np.ndarray) -> np.ndarray:
            given.setdefault(place, []).append(image.tobytes() + mask.tobytes())
            return image

        return Candidate("spy", method, "")

    first = photos(tmp_path / "first", 2)
    holes = tmp_path / "holes"
    second = tmp_path / "second" / "photos"
    second.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for path in sorted(first.iterdir()):
        image = np.array(Image.open(path))
        mask = mask_sets.draw(9, path.name, "free_form", image.shape[1::-1])
        mask_sets.write(mask, holes / path.name)
        image[mask == 1] = rng.integers(256, size=(int(mask.sum()), 3))
        Image.fromarray(image).save(second / path.name)
    for place, folder in (("first", first), ("second", second)):
        run(
            tmp_path / f"{place}-out.md",
            folder,
            candidates=[spy(place)],
            masks=[str(holes)],
        )
    assert given["first"] == given["second"]
    assert len(given["first"]) >= 2


def test_what_is_not_available_is_said_and_the_others_go_on(tmp_path: Path) -> None:
    absent = Candidate("absent", fails, "")
    options = {"candidates": (METHODS[0], absent, METHODS[1])}
    found = report(tmp_path / "t.md", photos(tmp_path), **options)
    assert found.missing_methods == {"absent": "no such | thing"}
    assert {method for _, _, method in found.values} == {"grey", "seen"}
    table = (tmp_path / "t.md").read_text("utf-8")
    assert table.count("| absent | not available: no such \\| thing |") == 4
    assert "**LPIPS**: not available: not wanted" in table


def test_one_photograph_has_no_fid(tmp_path: Path) -> None:
    found = report(tmp_path / "t.md", photos(tmp_path, 1), masks=["free_form"])
    assert found.set_values == {}
    table = (tmp_path / "t.md").read_text("utf-8")
    assert "**FID**: not available: FID and KID need two images or more" in table


def test_nothing_available_is_a_report_too(tmp_path: Path) -> None:
    report(tmp_path / "t.md", photos(tmp_path), candidates=[Candidate("x", fails, "")])
    assert "not available: no such" in (tmp_path / "t.md").read_text("utf-8")
    assert "No method was available" in (tmp_path / "t.html").read_text("utf-8")


# --- what is refused ---------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"seed": 1}, "begun with seed: 0; found 1"),
        ({"masks": ["free_form"]}, "begun with masks rectangular: drawn; found none"),
        ({"sizes": ["256"]}, "begun with sizes: original; found 256"),
        ({"candidates": METHODS[:2]}, "begun with method mean: the mean; found none"),
        (
            {"candidates": [*METHODS[:2], Candidate("mean", grey, "another")]},
            "begun with method mean: the mean; found another",
        ),
        ({"networks": MetricNetworks()}, "FID and KID: Inception-v3; found none"),
    ],
)
def test_another_evaluation_cannot_be_resumed(
    changes: dict, words: str, tmp_path: Path
) -> None:
    folder = photos(tmp_path)
    evaluation(tmp_path / "t.md", folder).folder.begin(
        evaluation(tmp_path / "t.md", folder).settings(), resume=False
    )
    with pytest.raises(InputError, match=words):
        run(tmp_path / "t.md", folder, resume=True, **changes)


def test_other_photographs_or_masks_cannot_be_resumed(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    run(tmp_path / "t.md", folder)
    path = tmp_path / "t/masks/photos/original/free_form/001.png"
    mask_sets.write(1 - masks.load_mask(path), path)
    with pytest.raises(InputError, match=r"001\.png: is not the mask that"):
        run(tmp_path / "t.md", folder, resume=True)
    photograph(9).save(folder / "001.png")
    with pytest.raises(InputError, match="begun with data photos: 4 photographs, SHA"):
        run(tmp_path / "t.md", folder, resume=True)
    (tmp_path / "t" / "run.json").write_text("{")
    with pytest.raises(InputError, match=r"run\.json: not readable"):
        run(tmp_path / "t.md", folder, resume=True)


@pytest.mark.parametrize("content", ["[]", '"x"', "1", "[" * 100_000, "\xff"])
def test_a_bad_run_json_is_named(content: str, tmp_path: Path) -> None:
    folder = photos(tmp_path)
    run(tmp_path / "t.md", folder)
    (tmp_path / "t" / "run.json").write_text(content, "latin-1")
    with pytest.raises(InputError, match=r"run\.json: (not readable|expected an eval)"):
        run(tmp_path / "t.md", folder, resume=True)


@pytest.mark.parametrize(
    ("name", "column", "cell", "words"),
    [
        ("records.csv", "hole", "9", "the hole of 001.png is 9.0; expected a fraction"),
        ("records.csv", "hole", "", "001.png by grey has no hole"),
        ("records.csv", "PSNR", "", "001.png by grey has no PSNR"),
        ("records.csv", "PSNR", "x", "holds 'x'; expected a number"),
        ("records.csv", "PSNR", "1" * 200_000, "not the table of this run"),
        ("times.csv", "seconds", "x", "holds 'x'; expected a number"),
    ],
)
def test_a_bad_measurement_is_named(
    name: str, column: str, cell: str, words: str, tmp_path: Path
) -> None:
    folder = photos(tmp_path)
    run(tmp_path / "t.md", folder)
    path = tmp_path / "t" / name
    with path.open(newline="") as file:
        header, first, second, *rows = csv.reader(file)
    second[header.index(column)] = cell
    with path.open("w", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows([header, first, second, *rows])
    with pytest.raises(InputError, match=words) as refused:
        run(tmp_path / "t.md", folder, resume=True).folder.seconds_per_image()
    assert name in str(refused.value)


@pytest.mark.parametrize(
    "features", [torch.zeros(3), torch.zeros(2, 4, dtype=torch.int)]
)
def test_other_tensors_in_place_of_features_are_named(
    features: torch.Tensor, tmp_path: Path
) -> None:
    folder = photos(tmp_path)
    run(tmp_path / "t.md", folder)
    path = next((tmp_path / "t" / "features").rglob("*.safetensors"))
    save_file({"000.png": features}, path)
    with pytest.raises(
        InputError, match=r"safetensors: holds other .* expected features of FID"
    ):
        run(tmp_path / "t.md", folder, resume=True)


def test_two_evaluations_cannot_write_into_one_folder(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    run(tmp_path / "t.md", folder)
    left = tmp_path / "t" / f".of-the-other{PARTIAL}"
    left.touch()
    for out, resume in (("t.md", True), ("u.md", False)):
        found = evaluation(tmp_path / out, folder)
        with (
            locked(found.folder.path),
            pytest.raises(InputError, match=f"{out[0]}: another process writes into"),
        ):
            found.run(resume)
    assert left.exists()
    assert [path.name for path in (tmp_path / "u").iterdir()] == [".gin-lock"]


def test_a_table_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    found = run(tmp_path / "t.md", photos(tmp_path), masks=["free_form"])
    (tmp_path / "t.md").write_text("mine")
    with pytest.raises(
        InputError, match=r"t\.md: exists already; --resume replaces it"
    ):
        Reports(tmp_path / "t.md").write(found)
    assert (tmp_path / "t.md").read_text() == "mine"


def test_a_folder_that_holds_something_is_left_alone(tmp_path: Path) -> None:
    folder = photos(tmp_path)
    (tmp_path / "t").mkdir()
    found = evaluation(tmp_path / "t.md", folder)
    found.folder.check(resume=False)
    with pytest.raises(InputError, match="there is no evaluation to resume"):
        found.run(resume=True)
    (tmp_path / "t" / "letter").touch()
    with pytest.raises(InputError, match="t: exists already; name another --out"):
        found.run()
    assert [path.name for path in (tmp_path / "t").iterdir()] == ["letter"]
    run(tmp_path / "u.md", folder)
    with pytest.raises(InputError, match="holds an evaluation; --resume continues it"):
        evaluation(tmp_path / "u.md", folder).run()


def test_settings_are_kept_in_words(tmp_path: Path) -> None:
    found = run(tmp_path / "t.md", photos(tmp_path))
    kept = json.loads((tmp_path / "t" / "run.json").read_text("utf-8"))
    assert kept == found.settings()
    assert re.fullmatch("4 photographs, SHA-256 [0-9a-f]{64}", kept["data photos"])


def test_times_lie_apart(tmp_path: Path) -> None:
    found = run(tmp_path / "t.md", photos(tmp_path))
    pace = found.folder.seconds_per_image()
    assert list(pace) == ["grey", "seen", "mean"]
    assert min(pace.values()) >= 0


# --- what measures -----------------------------------------------------------------


def test_a_network_that_cannot_be_had_leaves_a_gap(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def none(*_: object) -> None:
        raise Unavailable("far away")

    monkeypatch.setattr("gin.evaluation.evaluator.lpips_metric", none)
    monkeypatch.setattr("gin.evaluation.evaluator.vgg_distance", none)
    monkeypatch.setattr("gin.evaluation.evaluator.inception", none)
    monkeypatch.setattr("gin.evaluation.evaluator.segmenter", none)
    found = MetricNetworks.load(device="cpu")
    assert (found.lpips, found.vgg, found.inception) == (None, None, None)
    missing = dict.fromkeys(("LPIPS", "FID", "KID", "VGG"), "far away")
    assert found.missing == missing
    assert "segmentation" not in found.settings()
    found = MetricNetworks.load(device="cpu", segmentation="lraspp")
    assert found.missing == missing | dict.fromkeys(SEGMENTATION_METRICS, "far away")
    assert found.settings()["segmentation"] == "none"
    with pytest.raises(InputError, match="far away"):
        MetricNetworks.load("w.pth", device="cpu")
    with pytest.raises(InputError, match="far away"):
        MetricNetworks.load(inception_weights="w.pth", device="cpu")
    with pytest.raises(InputError, match="far away"):
        MetricNetworks.load(vgg_weights="w.pth", device="cpu")
    with pytest.raises(InputError, match="far away"):
        MetricNetworks.load(device="cpu", segmentation="lraspp=w.pth")


def test_what_is_to_be_had_is_measured() -> None:
    lpips, vgg = Lpips(with_biases("alexnet")), VggDistance(with_biases("vgg16"))
    networks = MetricNetworks(lpips, vgg=vgg, segmenter=by_brightness())
    image = np.asarray(photograph(0))
    mask = mask_sets.draw(0, "a", "rectangular", image.shape[1::-1])
    values = networks.measure(seen(image, mask), image, mask)
    for name in ("LPIPS", "VGG"):
        assert values[name] == pytest.approx(0, abs=1e-9)
    assert values["PSNR"] == float("inf")
    assert (values["Agreement"], values["mIoU"]) == (100, 1)
    other = networks.measure(grey(image, mask), image, mask)
    assert min(other["LPIPS"], other["VGG"]) > 0
    assert other["Agreement"] < 100
    assert other["mIoU"] < 1


def test_an_evaluation_with_a_segmentation_resumes(tmp_path: Path) -> None:
    folder, out = photos(tmp_path), tmp_path / "t.md"
    missing = dict.fromkeys(("LPIPS", "VGG"), "not wanted")
    networks = MetricNetworks(None, Sums(), missing, segmenter=by_brightness())
    options = {"networks": networks, "masks": ["free_form"]}
    first = report(out, folder, **options)
    table = out.read_text("utf-8")
    assert "| Agreement, % ↑ | mIoU ↑ |" in table
    assert "- segmentation: lraspp, by_brightness" in table
    assert {"Agreement", "mIoU"} <= first.values[FREE, "001.png", "grey"].keys()
    pictures = tmp_path / "t/pictures/photos/original/free_form/worst"
    maps = [path.name for path in sorted(pictures.glob("*classes.png"))]
    assert maps == [
        "02-grey, classes.png",
        "04-seen, classes.png",
        "06-mean, classes.png",
        "08-original, classes.png",
    ]
    assert run(out, folder, resume=True, **options).values == first.values
    with pytest.raises(
        InputError, match="segmentation: lraspp, by_brightness; found none"
    ):
        run(out, folder, resume=True, masks=["free_form"], networks=MetricNetworks())


def test_an_evaluation_from_before_the_vgg_distance_resumes(tmp_path: Path) -> None:
    """Without it: the photographs measured so far have no completions any more."""
    folder, out = photos(tmp_path), tmp_path / "t.md"
    vgg = VggDistance(with_biases("vgg16"))
    options = {
        "networks": MetricNetworks(missing={"LPIPS": "not wanted"}, vgg=vgg),
        "candidates": METHODS[:2],
    }
    run(out, folder, **options)
    records, settings = (tmp_path / "t" / n for n in ("records.csv", "run.json"))
    kept = json.loads(settings.read_text("utf-8"))
    assert kept.pop("VGG").startswith("VGG16, ")
    settings.write_text(json.dumps(kept), "utf-8")
    with records.open(newline="") as file:
        header, *rows = csv.reader(file)
    end = header.index("VGG")
    with records.open("w", newline="") as file:
        old = [row[:end] for row in (header, *rows[:-2])]
        csv.writer(file, lineterminator="\n").writerows(old)
    found = report(out, folder, resume=True, **options)
    lines = records.read_text("utf-8").splitlines()
    assert lines[0] == ",".join(header[:end])
    assert len(lines) == 1 + len(rows)
    assert {line.count(",") for line in lines} == {end - 1}
    assert "VGG" not in found.metrics()
    words = "**VGG**: not available: the evaluation began without it"
    assert words in out.read_text("utf-8")
