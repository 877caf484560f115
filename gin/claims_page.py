"""The claims as a page: folded lines, each with its status, that a reader can filter.

Taught in book/19_tables.md.
"""

import html
from collections.abc import Iterable, Sequence
from pathlib import PurePosixPath

from gin.claims import GROUPS, STATUSES, Claim, numbers

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
