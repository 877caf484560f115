"""`pytest --nbval` runs every chapter, and a false assert in a chapter is noticed."""

import subprocess
import sys
from pathlib import Path

import pytest
from contents import pages

ROOT = Path(__file__).parents[2]


def run_pytest(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )


def notebooks_in_toc() -> list[str]:
    """Its pages but for the appendices that compute nothing and have no kernel."""
    return sorted(f"{name}.md" for name in pages() if not is_plain_appendix(name))


def is_plain_appendix(name: str) -> bool:
    text = (ROOT / f"{name}.md").read_text(encoding="utf-8")
    return name.startswith("book/appendix_") and not text.startswith("---\njupytext:")


def test_nbval_runs_the_notebooks_of_the_table_of_contents_and_no_canary():
    run = run_pytest("--nbval", "--collect-only", "-qq", "book", "tests/canary")
    # With -qq a line is "book/01_masks.md: 12": the file, and how many cells it has.
    lines = [line for line in run.stdout.splitlines() if ".md: " in line]
    collected = dict(line.split(": ") for line in lines)
    assert sorted(collected) == notebooks_in_toc(), run.stdout


def test_without_nbval_no_chapter_is_collected():
    run = run_pytest("--collect-only", "book")
    assert run.returncode == pytest.ExitCode.NO_TESTS_COLLECTED, run.stdout


def test_an_assert_in_a_chapter_decides():
    canaries = [f"tests/canary/{name}.md" for name in ("failing", "passing")]
    run = run_pytest("--nbval", "-p", "book.conftest", "-rA", *canaries)
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout + run.stderr
    assert "1 failed, 1 passed" in run.stdout
    assert "AssertionError" in run.stdout
    assert "FAILED tests/canary/failing.md" in run.stdout
    assert "PASSED tests/canary/passing.md" in run.stdout
