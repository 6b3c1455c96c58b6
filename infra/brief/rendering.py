"""The brief as an e-mail: a subject, HTML that mail readers understand, and the same as text."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from django.conf import settings
from django.template.loader import render_to_string

from infra.brief.contract import Brief, Change, Line, Night

TOLD = "TOLD SINCE THE LAST BRIEF"
_MOMENT = "%Y-%m-%d %H:%M UTC"


def subject(brief: Brief) -> str:
    """One line for the e-mail's head."""
    return f"Slipway, {brief.made_at:%a %d %b}: {brief.headline.rstrip('.')}"


def as_html(brief: Brief, told: Sequence[Line] = ()) -> str:
    """The e-mail's HTML: styles inline, nothing fetched, links to this installation.

    `told`: what its reader chose to be told of in the Brief.
    """
    base = settings.BASE_URL.rstrip("/")
    content = {"brief": brief, "base": base, "told": told}
    return render_to_string("console/brief_email.html", content)


def as_text(brief: Brief, told: Sequence[Line] = (), width_of_rule: int = 72) -> str:
    """The same for a terminal or a mail reader without HTML; control characters are left out."""
    rule = "-" * width_of_rule
    blocks = [
        [brief.headline, f"For {brief.name}, {brief.made_at:{_MOMENT}}", rule],
        _block("WAITS FOR YOU", [text for line in brief.waits for text in _line(line)], "Nothing."),
        _block("AT RISK", [text for line in brief.risks for text in _line(line)], "Nothing."),
        *(
            [_block(TOLD.upper(), [text for line in told for text in _line(line)], "")]
            if told
            else []
        ),
        _block("LAST NIGHT", list(_nights(brief)), "No run was compared since yesterday."),
        _block(
            f"CHANGED SINCE {brief.since:{_MOMENT}}",
            [_change(change) for change in brief.changes],
            "Nothing that others did.",
        ),
        _block("ALPHA TRAFFIC TODAY (UTC)", _traffic(brief), "No call yet."),
        [rule, _link("/console/")],
    ]
    return "\n".join(printable(text) for block in blocks for text in block) + "\n"


def _block(title: str, lines: list[str], empty: str) -> list[str]:
    return [title, *(lines or [f"  {empty}"]), ""]


def _line(line: Line) -> Iterator[str]:
    act = f"{line.act}: " if line.act else ""
    yield f"  [{line.word}] {line.title}"
    yield f"      {line.sentence}"
    yield f"      {act}{_link(line.address)}"


def _nights(brief: Brief) -> Iterator[str]:
    for step in brief.next_steps:
        yield f"  Next step, {step}"
    for night in brief.nights:
        yield from _night(night)


def _night(night: Night) -> Iterator[str]:
    against = f" against {night.against}" if night.against else ""
    yield f"  {night.title}{against}: {tally(night)}  {_link(night.address)}"
    if night.problem:
        yield f"      {night.problem}"
    for verdict in night.verdicts:
        yield f"      {verdict.answer.value:10}  {verdict.sentence}"
    if night.n_more > 0:
        yield f"      and {night.n_more} more"


def tally(night: Night) -> str:
    """Its components by answer: `1 worse, 3 better, 2 can't tell`."""
    return f"{night.n_worse} worse, {night.n_better} better, {night.n_cant_tell} can't tell"


def _change(change: Change) -> str:
    more = f" and {change.n_more} more" if change.n_more > 0 else ""
    reason = f" “{change.reason}”" if change.reason else ""
    return f"  {change.title}: {', '.join(change.names)}{more}, by {', '.join(change.by)}.{reason}"


def _traffic(brief: Brief) -> list[str]:
    return [
        f"  {row.codename:28} {row.n_requests:>9,} calls, {row.n_failed:,} failed, {row.checkpoint}"
        for row in brief.traffic
    ]


def _link(address: str) -> str:
    return settings.BASE_URL.rstrip("/") + address


def printable(text: str) -> str:
    """Without what moves a terminal's cursor or turns the direction of reading."""
    return "".join(sign if sign.isprintable() else " " for sign in text)
