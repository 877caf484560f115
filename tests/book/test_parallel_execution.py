"""Chapters run side by side, once; what they depend on decides whether again."""

from pathlib import Path
from types import SimpleNamespace

import nbformat
import parallel_execution
import pytest
from jupyter_cache import get_cache
from parallel_execution import digest, execute, execute_missing, place_cache

CHAPTER = """---
jupytext:
  text_representation: {{extension: .md, format_name: myst, format_version: 0.13}}
kernelspec: {{display_name: Python 3, language: python, name: python3}}
---

```{{code-cell}} ipython3
{code}
```
"""


def test_what_a_chapter_depends_on_changes_the_digest(tmp_path: Path) -> None:
    (tmp_path / "gin" / "deep").mkdir(parents=True)
    module, pin = tmp_path / "gin" / "deep" / "a.py", tmp_path / "constraints.txt"
    module.write_text("a = 1")
    pin.write_text("torch==1")
    sources = ("gin", "constraints.txt", "absent")
    first = digest(tmp_path, sources)
    (tmp_path / "README.md").write_text("unrelated")
    (tmp_path / "gin" / "a.pyc").write_text("unrelated")
    assert digest(tmp_path, sources) == first
    module.write_text("a = 2")
    second = digest(tmp_path, sources)
    module.rename(module.with_name("b.py"))
    third = digest(tmp_path, sources)
    pin.write_text("torch==2")
    assert len({first, second, third, digest(tmp_path, sources)}) == 4


def test_the_sources_exist() -> None:
    root = Path(__file__).parents[2]
    assert all((root / source).exists() for source in parallel_execution.SOURCES)


def test_old_caches_are_removed(tmp_path: Path) -> None:
    old = tmp_path / parallel_execution.CACHES / "old"
    old.mkdir(parents=True)
    config = SimpleNamespace()
    place_cache(SimpleNamespace(srcdir=str(tmp_path)), config)
    assert not old.exists()
    assert config.nb_execution_mode == "cache"
    assert Path(config.nb_execution_cache_path).parent == old.parent


def environment(folder: Path, cache: Path) -> SimpleNamespace:
    """What the extension needs of Sphinx's."""
    from myst_nb.core.config import NbParserConfig
    from myst_parser.config.main import MdParserConfig

    settings = NbParserConfig(execution_cache_path=str(cache), execution_timeout=60)
    return SimpleNamespace(
        mystnb_config=settings,
        myst_config=MdParserConfig(),
        doc2path=lambda page: str(folder / f"{page}.md"),
    )


def test_chapters_are_executed_once_and_failures_are_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    codes = {"one": "print(6 * 7)", "two": "from pathlib import Path; Path.cwd().name"}
    for name, code in {**codes, "bad": "1 / 0"}.items():
        (tmp_path / f"{name}.md").write_text(CHAPTER.format(code=code), "utf-8")
    (tmp_path / "plain.md").write_text("# No code", "utf-8")
    env = environment(tmp_path, tmp_path / "cache")
    executed = []

    def watched(cache, notebooks, workers, timeout) -> None:
        executed.append(sorted(path.stem for path in notebooks))
        execute(cache, notebooks, workers, timeout)

    monkeypatch.setattr(parallel_execution, "execute", watched)
    monkeypatch.setenv("WORKERS", "2")
    pages = [*codes, "bad", "plain"]
    execute_missing(None, env, pages)
    one = tmp_path / "one.md"
    one.write_text(one.read_text("utf-8").replace("print", ":tags: [a]\n\nprint"))
    execute_missing(None, env, pages)
    assert executed == [["bad", "one", "two"], ["bad", "one"]]
    cache = get_cache(str(tmp_path / "cache"))
    kept = [cache.get_cache_bundle(r.pk).nb for r in cache.list_cache_records()]
    outputs = [nb.cells[0].outputs[0] for nb in kept]
    texts = [out.get("text") or out.data["text/plain"] for out in outputs]
    assert {*texts} == {"42\n", repr(tmp_path.name)}
    assert all(nbformat.validate(nb) is None for nb in kept)
