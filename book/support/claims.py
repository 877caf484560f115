"""The paper's claims, and what of them is checked here: `claims.yml` read and checked.

Taught in book/20_table_1.md.
"""

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from gin.errors import InputError

STATUSES = ("reproduced", "partial", "not attempted")
GROUPS = {
    "Eq.": "Equations",
    "Fig.": "Figures",
    "Table 1": "Table 1",
    "Table 2": "Table 2",
    "": "Text",
}
CLAIMS = Path(__file__).parents[2] / "claims.yml"
_REQUIRED = ("source", "claim", "code", "tests", "chapter", "status")
_ROUNDING = 1e-9  # of a decimal number in the file; tolerances are met exactly or not
MARKS = dict(zip(STATUSES, ("●", "◐", "○"), strict=True))
# The boxes hide lines by the style sheet alone, so that they work without a kernel.
_HIDE = "".join(
    f".claims:has(input.{name}:not(:checked)) details.{name} {{ display: none; }}\n"
    for name in (status.replace(" ", "-") for status in STATUSES)
)
_STYLE = f"""<style>
{_HIDE}.claims label {{ margin-right: 1rem; white-space: nowrap; }}
.claims summary {{ cursor: pointer; padding: 0.3rem 0; }}
.claims details {{ border-bottom: 1px solid #8886; overflow-wrap: anywhere; }}
.claims dl {{ margin: 0 0 0.6rem 1.4rem; }}
.claims dt {{ font-weight: 600; }}
.claims dd {{ margin: 0 0 0.3rem 1rem; }}
</style>"""


@dataclass(frozen=True)
class Claim:
    """One line of what the paper says.

    `code` are dotted names or files, `tests` are "file::function", `chapter` is a page
    of the book. `paper`, `measured` and `tolerance` map quantities to numbers, in the
    same units; `machine` is where they were measured, and `why` a sentence about what
    is not reproduced.
    """

    source: str
    claim: str
    code: tuple[str, ...]
    tests: tuple[str, ...]
    chapter: str
    status: str
    paper: Mapping[str, float] = field(default_factory=dict)
    measured: Mapping[str, float] = field(default_factory=dict)
    tolerance: Mapping[str, float] = field(default_factory=dict)
    machine: str = ""
    why: str = ""

    @property
    def group(self) -> str:
        """Where it belongs on the results page, one of the values of `GROUPS`."""
        return next(g for start, g in GROUPS.items() if self.source.startswith(start))

    def check(self) -> None:
        """Raise InputError for a status that its numbers and words do not carry."""
        for fault in self._faults():
            raise InputError(f"{self.source}, {self.claim!r}: {fault}")

    def _faults(self) -> Iterator[str]:
        if self.status not in STATUSES:
            yield f"status is {self.status!r}; expected one of {', '.join(STATUSES)}"
        if self.measured and not self.machine:
            yield "a number without a machine; expected where it was measured"
        if self.status != "reproduced" and not self.why:
            yield f"{self.status} without a reason; expected a sentence why"
        if self.status == "not attempted":
            if self.measured:
                yield "not attempted and measured; expected another status"
        elif not (self.code and self.tests and self.chapter):
            yield f"{self.status}; expected code, tests and a chapter"
        if self.status == "reproduced":
            keys = [k.keys() for k in (self.paper, self.measured, self.tolerance)]
            if not keys[0] or not keys[0] == keys[1] == keys[2]:
                yield "expected a number of the paper, measured, with a tolerance"
            if far := self.beyond():
                yield f"{', '.join(far)} beyond the tolerance; expected within"

    def beyond(self) -> list[str]:
        """The quantities measured farther from the paper's than their tolerance."""
        return [
            name
            for name, limit in self.tolerance.items()
            if abs(self.measured[name] - self.paper[name]) > limit + _ROUNDING
        ]


def read_claims(path: Path = CLAIMS) -> list[Claim]:
    """Every claim of a file, checked, in its order.

    Raises InputError for a file that is missing or no list of claims, a key that is
    missing or unknown, a number that is none, two claims in the same words, and what
    `Claim.check` refuses.
    """
    if not path.is_file():
        raise InputError(f"{path}: no such file; expected the list of claims")
    content = _content(path)
    if not isinstance(content, dict) or not isinstance(content.get("claims"), list):
        raise InputError(f"{path}: has no list; expected one under claims")
    claims = [_claim(entry) for entry in content["claims"]]
    names = Counter((claim.source, claim.claim) for claim in claims)
    if twice := [name for name, count in names.items() if count > 1]:
        raise InputError(f"{path}: {twice[0]} stands there twice; expected it once")
    for claim in claims:
        claim.check()
    return claims


def _content(path: Path) -> Any:
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not readable as YAML ({reason})") from error


def counts(claims: Iterable[Claim]) -> dict[str, dict[str, int]]:
    """Group -> status -> how many, in the order of `GROUPS` and `STATUSES`."""
    found = Counter((claim.group, claim.status) for claim in claims)
    return {
        group: {status: found[group, status] for status in STATUSES}
        for group in GROUPS.values()
    }


def numbers(values: Mapping[str, float]) -> str:
    """For a page: "PSNR 33.26, SSIM 0.939"; empty without any."""
    return ", ".join(f"{name} {value:.10g}" for name, value in values.items())


def _claim(entry: Any) -> Claim:
    found = entry if isinstance(entry, dict) else {}
    known = {each.name for each in fields(Claim)}
    missing = [key for key in _REQUIRED if key not in found]
    unknown = [str(key) for key in found if key not in known]
    if missing or unknown:
        raise InputError(
            f"claim {found.get('source', entry)!r}: missing {missing}, "
            f"unknown {unknown}; expected {', '.join(_REQUIRED)}"
        )
    for key in ("paper", "measured", "tolerance"):
        for name, value in found.get(key, {}).items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise InputError(
                    f"claim {found['source']!r}: {name} is {value!r}; expected a number"
                )
    lists = {key: tuple(found[key]) for key in ("code", "tests")}
    return Claim(**{**found, **lists})


def page(claims: Sequence[Claim]) -> str:
    """All claims under their groups' names, and a box for each status, as HTML."""
    boxes = "".join(
        f'<label><input type="checkbox" checked class="{status.replace(" ", "-")}"> '
        f"{MARKS[status]} {status}</label>"
        for status in STATUSES
    )
    groups = (
        f"<h3>{name}</h3>{_lines(c for c in claims if c.group == name)}"
        for name in GROUPS.values()
    )
    return f'{_STYLE}<div class="claims"><p>{boxes}</p>{"".join(groups)}</div>'


def _lines(claims: Iterable[Claim]) -> str:
    return "".join(
        f'<details class="{claim.status.replace(" ", "-")}">'
        f"<summary>{MARKS[claim.status]} <b>{html.escape(claim.source)}</b> "
        f"{html.escape(claim.claim)}</summary>{_about(claim)}</details>"
        for claim in claims
    )


def _about(claim: Claim) -> str:
    """What is known of a claim, as a list of terms."""
    chapter = PurePosixPath(claim.chapter).stem
    found = {
        "status": claim.status,
        "paper": html.escape(numbers(claim.paper)),
        "measured": html.escape(numbers(claim.measured)),
        "may differ by": html.escape(numbers(claim.tolerance)),
        "machine": html.escape(claim.machine),
        "why": html.escape(claim.why),
        "code": _code(claim.code),
        "tests": _code(claim.tests),
        "chapter": f'<a href="{chapter}.html">{chapter}</a>',
    }
    return f"<dl>{''.join(_term(*item) for item in found.items() if item[1])}</dl>"


def _term(name: str, text: str) -> str:
    return f"<dt>{name}</dt><dd>{text}</dd>"


def _code(names: Iterable[str]) -> str:
    return ", ".join(f"<code>{html.escape(name)}</code>" for name in names)
