"""The files that an evaluation leaves: tables to read and to compute with, pictures."""

from pathlib import Path

from gin.errors import InputError
from gin.evaluation.evaluator import Evaluation
from gin.evaluation.gallery import Page
from gin.evaluation.report import Report, rows, write_csv
from gin.evaluation.store import EvaluationFolder
from gin.utils.files import atomic, check_new


class Reports:
    """`table.md`, `table.csv` and `table.html` beside the folder `table`.

    Raises InputError unless `out` ends in .md.
    """

    def __init__(self, out: Path) -> None:
        if out.suffix.lower() != ".md":
            raise InputError(f"{out}: expected a name that ends in .md")
        self.out = out
        self.folder = EvaluationFolder(out.with_suffix(""))

    def check(self, resume: bool) -> None:
        """Raise InputError if something would be lost, or cannot be written."""
        self.folder.check(resume)
        for suffix in (".md", ".csv", ".html"):
            check_new(self.out.with_suffix(suffix), force=resume)

    def write(self, evaluation: Evaluation, resume: bool = False) -> str:
        """Write all three; -> the tables in Markdown.

        Raises InputError if one is there by now, unless `resume`.
        """
        found = rows(evaluation)
        report = Report(evaluation, found).markdown()
        files = {
            self.out: report,
            self.out.with_suffix(".csv"): write_csv(found),
            self.out.with_suffix(".html"): Page(evaluation).html(),
        }
        for path, text in files.items():
            with atomic(path, replace=resume) as temporary:
                temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
        return report
