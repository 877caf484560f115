"""Write the reports of an evaluation: Markdown, CSV and HTML."""

from pathlib import Path

from gin.errors import InputError
from gin.evaluation.evaluator import Evaluation
from gin.evaluation.gallery import Gallery
from gin.evaluation.report import Report, rows, to_csv
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
        """Raise InputError if a file would be replaced or cannot be written."""
        self.folder.check(resume)
        for suffix in (".md", ".csv", ".html"):
            check_new(self.out.with_suffix(suffix), resume, "name another --out")

    def write(self, evaluation: Evaluation, resume: bool = False) -> str:
        """Write all three files; -> the tables in Markdown.

        Raises InputError if one of them exists, unless `resume`.
        """
        table = rows(evaluation)
        report = Report(evaluation, table).markdown()
        files = {
            self.out: report,
            self.out.with_suffix(".csv"): to_csv(table),
            self.out.with_suffix(".html"): Gallery(evaluation).html(),
        }
        for path, text in files.items():
            with atomic(path, resume, "--resume replaces it") as temporary:
                temporary.write_bytes(text.encode("utf-8", "surrogateescape"))
        return report
