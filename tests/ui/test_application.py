"""The app without a browser: one completion at a time, and what can go wrong."""

import errno
import io
import json
import os
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import numpy as np
import pytest
from PIL import Image

import gin
from gin.cli.app import main
from gin.errors import InputError
from gin.ui.app import choices as catalogue
from gin.ui.app import server as page
from gin.ui.app import view as exchange
from gin.ui.app.choices import OTHER, SHIPPED, Catalogue
from gin.ui.app.view import InpaintApp
from gin.ui.app.worker import (
    OUT_OF_MEMORY,
    Cancelled,
    Controller,
    Progress,
    State,
    error_message,
)
from gin.utils.image_writing import write_png
from gin.utils.images import read_picture

LONG = 60  # seconds after which something hangs
ROOT = Path(__file__).parents[2]
PHOTO = ROOT / "data" / "photos" / "erase_alpaca.jpg"


class Fake:
    """Makes jobs, and counts how many of them run at once."""

    def __init__(self) -> None:
        self.running = self.most = self.begun = 0
        self.entered, self.leave = threading.Event(), threading.Event()

    def job(
        self, result: str, steps: int = 5, deaf: bool = False
    ) -> Callable[[Progress], str]:
        """Ticks `steps` times; a deaf one waits for `leave`, and hears nothing."""

        def run(progress: Progress) -> str:
            self.running += 1
            self.begun += 1
            self.most = max(self.most, self.running)
            self.entered.set()
            try:
                if deaf:
                    assert self.leave.wait(LONG)
                for step in range(steps):
                    time.sleep(0.002)
                    if not deaf:
                        progress.update((step + 1) / steps)
                return result
            finally:
                self.running -= 1

        return run


@pytest.fixture
def fake() -> Fake:
    return Fake()


# --- the controller ----------------------------------------------------------------


def test_a_job_reports_its_progress_and_leaves_its_result(fake: Fake) -> None:
    seen: list[State[str]] = []
    controller = Controller[str](seen.append)
    controller.start(fake.job("done", steps=4))
    assert controller.wait(LONG)
    progress = [state.progress for state in seen]
    assert progress == sorted(progress)
    assert {0.0, 0.25, 0.5, 0.75, 1.0} == set(progress)
    assert seen[0].running
    assert seen[-1] == controller.state == State(progress=1.0, result="done")


def test_twenty_rapid_completions_end_with_the_result_of_the_last(fake: Fake) -> None:
    results: list[str | None] = []
    controller = Controller[str](lambda state: results.append(state.result))
    for number in range(20):
        controller.start(fake.job(str(number), steps=500))
        time.sleep(0.003 * (number % 3))
    assert controller.wait(LONG)
    assert controller.state.result == "19"
    assert set(results) == {None, "19"}
    assert fake.most == 1
    assert controller.state.error is None


def test_never_two_at_once_even_when_the_first_hears_nothing(fake: Fake) -> None:
    controller = Controller[str]()
    controller.start(fake.job("first", deaf=True))
    assert fake.entered.wait(LONG)
    controller.start(fake.job("second"))
    controller.start(fake.job("third"))
    assert fake.begun == 1
    fake.leave.set()
    assert controller.wait(LONG)
    assert (fake.begun, fake.most) == (2, 1)
    assert controller.state.result == "third"


@pytest.mark.parametrize("deaf", [False, True])
def test_cancel_keeps_the_last_result_and_forgets_what_waits(
    fake: Fake, deaf: bool
) -> None:
    controller = Controller[str]()
    controller.start(fake.job("before"))
    assert controller.wait(LONG)
    fake.entered.clear()
    controller.start(fake.job("never", steps=10**6 * (not deaf), deaf=deaf))
    assert fake.entered.wait(LONG)
    controller.start(fake.job("nor this"))
    controller.cancel()
    assert controller.state.stopping
    fake.leave.set()
    assert controller.wait(LONG)
    assert fake.begun == 2
    assert controller.state == State(message="Cancelled.", result="before")


def test_cancelling_nothing_changes_nothing() -> None:
    controller = Controller[str]()
    controller.cancel()
    assert controller.state == State()


def test_an_error_is_a_sentence_and_the_next_job_runs(fake: Fake) -> None:
    controller = Controller[str]()
    controller.start(fake.job("kept"))
    assert controller.wait(LONG)

    def broken(_: Progress) -> str:
        raise KeyError("strange\nand more")

    controller.start(broken)
    assert controller.wait(LONG)
    assert isinstance(controller.state.error, KeyError)
    assert controller.state.result == "kept"
    assert re.fullmatch(r"This did not work \(KeyError.*\)\.", controller.state.message)
    controller.start(fake.job("again"))
    assert controller.wait(LONG)
    assert (controller.state.message, controller.state.result) == ("", "again")
    assert controller.state.error is None


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (InputError("photo: too small"), "photo: too small."),
        (InputError("too\nsmall"), r"Too\nsmall."),
        (ModuleNotFoundError(name="cv2"), "The package cv2 is not installed."),
        (MemoryError(), OUT_OF_MEMORY),
        (RuntimeError("[enforce fail] not enough memory: you tried"), OUT_OF_MEMORY),
        (OSError(errno.ENOSPC, "No space"), "This did not work (OSError: [Errno 28]"),
        (ValueError(), "This did not work (ValueError)."),
    ],
)
def test_errors_in_words(error: Exception, said: str) -> None:
    assert error_message(error).startswith(said)
    assert "\n" not in error_message(error)


# --- what can be chosen ------------------------------------------------------------


@pytest.fixture(scope="module")
def choices() -> Catalogue:
    return Catalogue()


@pytest.fixture(scope="module")
def photo() -> Image.Image:
    return Image.open(PHOTO).convert("RGB").resize((160, 120))


@pytest.fixture(scope="module")
def mask() -> np.ndarray:
    mask = np.zeros((120, 160), np.uint8)
    mask[40:80, 50:100] = 1
    return mask


@pytest.mark.parametrize("ensemble", [False, True])
def test_the_shipped_weights_give_what_the_inpainter_gives(
    choices: Catalogue, photo: Image.Image, mask: np.ndarray, ensemble: bool
) -> None:
    ticks: list[float] = []
    progress = Progress(ticks.append)
    stages = choices.complete(
        SHIPPED, photo, mask, ensemble=ensemble, progress=progress
    )
    expected = gin.Inpainter.from_pretrained()(photo, mask, ensemble=ensemble)
    assert [*stages] == ["coarse", "refined"]
    np.testing.assert_array_equal(stages["refined"], expected)
    coarse, refined = (np.asarray(stage, int) for stage in stages.values())
    assert np.abs(coarse - refined)[mask == 1].mean() > 0.5
    assert (coarse == refined)[mask == 0].all()
    assert ticks == sorted(ticks)
    assert ticks[-1] == 1.0


def test_the_network_can_be_stopped_between_two_passes(
    choices: Catalogue, photo: Image.Image, mask: np.ndarray
) -> None:
    photo, mask = photo.resize((160, 1000)), np.zeros((1000, 160), np.uint8)
    for top in (100, 400, 700):
        mask[top : top + 60, 50:90] = 1
    ticks: list[float] = []

    def report(share: float) -> None:
        ticks.append(share)
        if share > 0.3:
            progress.cancel()

    progress = Progress(report)
    with pytest.raises(Cancelled):
        choices.complete(SHIPPED, photo, mask, progress=progress)
    assert ticks == [0.0, 0.0, pytest.approx(1 / 3)]
    again = choices.complete(SHIPPED, photo, mask)  # nothing is left of the first
    np.testing.assert_array_equal(
        again["coarse"], choices.complete(SHIPPED, photo, mask)["coarse"]
    )


@pytest.mark.parametrize("name", ["mean-colour", "telea", "navier-stokes"])
def test_a_baseline_fills_the_hole_alone(
    name: str, choices: Catalogue, photo: Image.Image, mask: np.ndarray
) -> None:
    photo = photo.copy()
    photo.info["comment"] = b"kept"
    ((stage, done),) = choices.complete(name, photo, mask).items()
    assert stage == "completed"
    assert done.info["comment"] == b"kept"
    changed = (np.asarray(done) != np.asarray(photo)).any(axis=2)
    assert changed.any()
    assert not changed[mask == 0].any()


def test_a_method_whose_packages_are_missing_says_so(
    monkeypatch: pytest.MonkeyPatch, photo: Image.Image, mask: np.ndarray
) -> None:
    monkeypatch.setattr(
        catalogue, "find_spec", lambda name: None if name == "cv2" else "there"
    )
    choices = Catalogue()
    missing = {choice.name: choice.missing_packages for choice in choices.choices}
    assert missing["telea"] == "needs opencv-python-headless"
    assert missing[SHIPPED] == missing[OTHER] == ""
    with pytest.raises(InputError, match="telea: needs opencv-python-headless"):
        choices.complete("telea", photo, mask)


@pytest.mark.parametrize(
    ("painted", "words"), [(0, "nothing is painted yet"), (1, "100.0 % .* at most 95")]
)
def test_a_mask_that_leaves_nothing_to_do_is_refused_in_words(
    painted: int, words: str, choices: Catalogue, photo: Image.Image
) -> None:
    with pytest.raises(InputError, match=words):
        choices.complete(SHIPPED, photo, np.full((120, 160), painted, np.uint8))


def test_weights_that_cannot_be_used(
    choices: Catalogue, photo: Image.Image, mask: np.ndarray
) -> None:
    with pytest.raises(InputError, match="nowhere.pth: no such file"):
        Catalogue("nowhere.pth")
    with pytest.raises(InputError, match="v2.pth"):
        Catalogue(["deepfillv2=v2.pth"])
    with pytest.raises(InputError, match="expected weights"):
        choices.complete(OTHER, photo, mask, other=" ")
    with pytest.raises(InputError, match="nowhere.pth: no such file"):
        choices.complete(OTHER, photo, mask, other="nowhere.pth")


def test_the_authors_weights_are_a_choice(
    photo: Image.Image, mask: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def network(weights: str) -> gin.DeepGIN:
        asked.append(weights)
        return gin.DeepGIN("StdResBlk (Coarse only)", 2)

    monkeypatch.setattr("gin.weights.checkpoints.network", network)
    choices = Catalogue()
    (label,) = (c.label for c in choices.choices if c.name == "released")
    assert label == "DeepGIN, as released (downloaded once)"
    assert asked == []  # not before it is chosen
    assert [*choices.complete("released", photo, mask)] == ["coarse"]
    assert asked == ["released"]
    given = [choice.name for choice in Catalogue("released").choices]
    assert given.count("released") == 1


def test_given_weights_come_first(tmp_path: Path, photo, mask) -> None:
    path = tmp_path / "mine.safetensors"
    gin.save(gin.DeepGIN("StdResBlk (Coarse only)", 2), path)
    choices = Catalogue(path)
    assert [choice.name for choice in choices.choices][:2] == [path.name, SHIPPED]
    assert [*choices.complete(path.name, photo, mask)] == ["coarse"]


def test_weights_of_the_same_file_name_are_all_offered(tmp_path: Path) -> None:
    paths = [tmp_path / run / "weights.safetensors" for run in ("a", "b")]
    for path in paths:
        path.parent.mkdir()
        gin.save(gin.DeepGIN("StdResBlk (Coarse only)", 2), path)
    offered = [choice.name for choice in Catalogue(paths).choices]
    assert offered[:3] == [*map(str, paths), SHIPPED]


# --- files in, pictures out --------------------------------------------------------


def test_cmyk_is_converted_where_the_user_asks(app: InpaintApp) -> None:
    before = app.painter.image
    picture = Image.effect_noise((70, 50), 90).convert("CMYK")
    state = upload(app, encoded(picture, "tiff"), "For Print.tif")
    assert state["said"].startswith("For Print.tif: its colours are CMYK")
    assert state["wrong"]
    assert state["cmyk"]
    assert app.painter.image is before
    told = {"number": 9, "view": "v", "do": "convert"}
    app._source._received(None, told, [])
    state = app._source.state
    assert state["said"] == "70 × 50 px"
    assert not state["wrong"]
    assert not state["cmyk"]
    np.testing.assert_array_equal(app.painter.image, picture.convert("RGB"))


def test_heic_says_what_to_install(
    app: InpaintApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    content = b"\0\0\0\x18ftypheic" + bytes(200)
    state = upload(app, content, "IMG 1.HEIC")
    assert state["said"].startswith("IMG 1.HEIC: is HEIC, which pillow-heif reads: pip")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a.png: the file is empty"),
        (b"a letter, and no picture", "a.png: .*not a picture"),
        (b"BM" + bytes(60), "a.png: cannot be read as a picture"),
    ],
)
def test_a_file_that_is_no_picture(content: bytes, words: str) -> None:
    with pytest.raises(InputError, match=words):
        read_picture(io.BytesIO(content), "a.png")


def encoded(picture: Image.Image, kind: str = "png") -> bytes:
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16"])
def test_small_pictures_are_shown_exactly(mode: str) -> None:
    rng = np.random.default_rng(0)
    channels = {"LA": (2,), "RGB": (3,), "RGBA": (4,)}.get(mode, ())
    values = rng.integers(256, size=(40, 30, *channels), dtype=np.uint8)
    if mode == "I;16":
        picture = Image.fromarray(values.astype(np.uint16) << 8)
    else:
        picture = Image.fromarray(values)
    assert picture.mode == mode
    shown = Image.open(io.BytesIO(exchange.preview(picture)))
    np.testing.assert_array_equal(shown, values)


def test_large_pictures_are_shown_smaller() -> None:
    shown = Image.open(io.BytesIO(exchange.preview(Image.new("RGBA", (4000, 1000)))))
    assert (shown.format, shown.size) == ("JPEG", (2048, 512))


def test_the_download_is_the_file_that_the_command_writes(tmp_path: Path) -> None:
    picture = Image.effect_noise((30, 20), 50)
    picture.info = {"dpi": (72, 72), "comment": b"a word"}
    write_png(picture, tmp_path / "picture.png")
    assert exchange.png(picture) == (tmp_path / "picture.png").read_bytes()


def test_every_sample_can_be_painted_on_and_so_can_the_pattern() -> None:
    assert len(exchange.samples()) == 40
    assert all(path.is_file() for path in exchange.samples().values())
    assert exchange.pattern().size == (256, 256)


# --- the widget --------------------------------------------------------------------


@pytest.fixture
def app(monkeypatch: pytest.MonkeyPatch) -> InpaintApp:
    app = InpaintApp(Image.open(PHOTO).resize((64, 48)))
    app.sent = []
    monkeypatch.setattr(app._outcome, "send", lambda *message: app.sent.append(message))
    return app


def press(app: InpaintApp, do: str, **more: object) -> dict:
    """What a button sends; the state that the page then shows."""
    app._outcome._received(None, {"number": 1, "view": "v", "do": do, **more}, [])
    assert app.controller.wait(LONG)
    return app._outcome.state


def upload(app: InpaintApp, content: bytes, name: str, size: int = 1000) -> dict:
    chunks = [content[i : i + size] for i in range(0, len(content), size)] or [b""]
    for index, chunk in enumerate(chunks):
        told = {"do": "chunk", "upload": name, "index": index, "count": len(chunks)}
        message = {"number": index + 1, "view": "v", "name": name, **told}
        app._source._received(None, message, [memoryview(chunk)])
    return app._source.state


COMPLETE = {"method": "telea", "ensemble": False, "other": ""}


def test_paint_complete_save(app: InpaintApp) -> None:
    app.painter.mask = mask = np.pad(np.ones((8, 8), np.uint8), ((20, 20), (28, 28)))
    state = press(app, "complete", **COMPLETE)
    assert re.fullmatch(r"telea: \d+\.\d s", state["said"])
    assert not state["wrong"]
    assert [*app._outcome.pictures] == ["before", "completed"]
    np.testing.assert_array_equal(app.painter.mask, mask)
    press(app, "save", stage="completed")
    (told, (file,)) = app.sent[-1]
    assert told == {"file": "photograph-completed.png", "view": "v"}
    np.testing.assert_array_equal(Image.open(io.BytesIO(file)), app.result)
    press(app, "save", stage="coarse")  # of a completion that this one replaced
    assert app.sent[-1][0] == told


def test_the_mean_of_five_views_is_named_for_every_variant_of_deepgin(
    app: InpaintApp, tmp_path: Path
) -> None:
    path = tmp_path / "mine.safetensors"
    gin.save(gin.DeepGIN("StdResBlk (Coarse only)", 2), path)
    app.painter.mask = np.pad(np.ones((8, 8), np.uint8), ((20, 20), (28, 28)))
    asked = {"method": "other weights", "ensemble": True, "other": str(path)}
    said = press(app, "complete", **asked)["said"]
    assert re.fullmatch(rf"{path}, mean of five views: \d+\.\d s", said)


def test_twenty_presses_end_with_the_last_mask(app: InpaintApp) -> None:
    for number in range(20):
        mask = np.zeros((48, 64), np.uint8)
        mask[5:30, number : number + 20] = 1
        app.painter.mask = mask
        told = {"number": number, "view": "v", "do": "complete", **COMPLETE}
        app._outcome._received(None, told | {"method": "mean-colour"}, [])
    assert app.controller.wait(LONG)
    changed = np.asarray(app.result) != np.asarray(app.painter.image)
    np.testing.assert_array_equal(changed.any(axis=2) & (mask == 0), False)
    assert changed[:, 38].any()  # the last mask alone reaches there


def test_nothing_painted_is_said_and_the_result_stays(app: InpaintApp) -> None:
    app.painter.mask = np.eye(48, 64, dtype=np.uint8)
    press(app, "complete", **COMPLETE)
    kept = app.result
    app.painter.clear()
    state = press(app, "complete", **COMPLETE)
    assert state["wrong"]
    assert state["said"].startswith("Nothing is painted yet;")
    assert app.result is kept


def test_an_upload_arrives_in_chunks(app: InpaintApp) -> None:
    picture = Image.effect_noise((70, 50), 90)
    state = upload(app, encoded(picture), "grey.png")
    assert (state["said"], state["wrong"]) == ("70 × 50 px", False)
    np.testing.assert_array_equal(app.painter.image, picture)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"no picture at all", "bad.png: cannot be read as a picture (not a picture"),
        (b"", "bad.png: the file is empty"),
        (encoded(Image.new("L", (10000, 6000))), "60.0 megapixels"),
        (
            encoded(Image.effect_noise((99, 99), 9), "jpeg")[:900],
            "bad.png: cannot be read",
        ),
        (encoded(Image.new("L", (8, 8))), "8 x 8 px"),
    ],
)
def test_a_bad_upload_loses_nothing(
    app: InpaintApp, content: bytes, words: str
) -> None:
    app.painter.mask = mask = np.eye(48, 64, dtype=np.uint8)
    before = app.painter.image
    state = upload(app, content, "bad.png", 1 << 20)
    assert state["wrong"]
    assert words in state["said"]
    assert app.painter.image is before
    np.testing.assert_array_equal(app.painter.mask, mask)


def test_a_new_photograph_keeps_the_result_of_the_old_one(app: InpaintApp) -> None:
    app.painter.mask = np.eye(48, 64, dtype=np.uint8)
    press(app, "complete", **COMPLETE)
    message = {"number": 1, "view": "v", "do": "sample", "name": "alpaca"}
    app._source._received(None, message, [])
    assert app._source.state["chosen"] == "alpaca"
    assert app.painter.mask.sum() == 0
    assert app.result.size == (64, 48)
    press(app, "save", stage="completed")
    assert app.sent[-1][0]["file"] == "photograph-completed.png"


def test_without_samples_there_is_a_pattern(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange, "samples", dict)
    app = InpaintApp()
    assert app.painter.image.size == (256, 256)
    assert app._source.options["samples"] == []


# --- gin app -----------------------------------------------------------------------


def test_a_port_that_is_taken_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as taken:
        taken.bind((page.HOST, 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["app", "--port", str(port), "--no-browser"]) == 2
    assert (
        f"port {port} cannot be used (Address already in use)"
        in capsys.readouterr().err
    )


def test_a_bad_photograph_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["app", "--photo", str(tmp_path / "no.jpg"), "--no-browser"]) == 2
    assert re.fullmatch(r"gin: .*no\.jpg: no such file.*\n", capsys.readouterr().err)


def test_without_voila_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "voila.app", None)
    monkeypatch.setitem(__import__("sys").modules, "voila", None)
    assert main(["app", "--no-browser"]) == 2
    complaint = capsys.readouterr().err
    install = r"pip install '\.\[app\]' in the folder of this project"
    assert re.fullmatch(rf"gin: voila.* is not installed: {install}\n", complaint)


def test_the_browser_is_opened_without_the_token_in_a_command(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    opened: list[str] = []
    monkeypatch.setattr(page.webbrowser, "open", opened.append)
    with socket.socket() as server:
        server.bind((page.HOST, 0))
        server.listen()
        port = server.getsockname()[1]
        page._announce(tmp_path, port, "secret", browser=True)
    address = f"http://127.0.0.1:{port}/?token=secret"
    assert opened == [(tmp_path / "open.html").as_uri()]
    assert f'"{address}"' in (tmp_path / "open.html").read_text()
    said = capsys.readouterr().out
    assert address in said
    assert f"ssh -L {port}:127.0.0.1:{port} " in said


HOSTILE = {"Voila": {"token": "", "ip": "0.0.0.0"}}


@pytest.fixture
def hostile(tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """A folder of settings that open the app to everyone, and the app's address."""
    for place in ("work", "config"):
        folder = tmp_path / place
        folder.mkdir()
        (folder / "voila.json").write_text(json.dumps(HOSTILE))
        (folder / "voila.py").write_text(f"open({str(folder / 'ran')!r}, 'w')")
    startup = tmp_path / "ipython" / "profile_default" / "startup"
    startup.mkdir(parents=True)
    (startup / "first.py").write_text(f"open({str(startup / 'ran')!r}, 'w')")
    own = {
        f"JUPYTER_{x}_DIR": str(tmp_path / x.lower())
        for x in ("CONFIG", "DATA", "RUNTIME")
    }
    own |= {"IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONPATH": str(ROOT)}
    program = [sys.executable, str(ROOT / "tests" / "helpers" / "gin_program.py")]
    process = subprocess.Popen(
        [*program, "app", "--no-browser"],
        cwd=tmp_path / "work",
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    said = process.stdout.readline().removeprefix("The app: ").strip()
    yield tmp_path, said
    process.terminate()
    process.communicate(timeout=60)


def test_no_settings_but_its_own_are_read(hostile: tuple[Path, str]) -> None:
    folder, address = hostile
    parts = urlsplit(address)
    with urlopen(address.partition("?")[0]) as answer:
        assert urlsplit(answer.url).path == "/login"
    if sys.platform == "linux":  # where all of 127.0.0.0/8 is this computer
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.2", parts.port))
    with urlopen(address) as answer:
        text = answer.read().decode()
        policy = answer.headers["Content-Security-Policy"]
    assert "voila.js" in text
    assert not re.findall(r"""(?:src|href)=["']?(?:https?:)?//[^"'>]+""", text)
    assert "default-src 'self'" in policy
    assert not {*re.findall(r"\w+://[^ ;]+", policy)} - {f"ws://{parts.netloc}"}
    assert not [*folder.rglob("ran")]
