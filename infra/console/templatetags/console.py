"""How values look on every page: states, moments, digests, numbers with their units."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import orjson
from django import template
from django.conf import settings
from django.forms import Form
from django.template import defaultfilters
from django.template.defaultfilters import stringfilter
from django.utils.html import format_html
from django.utils.module_loading import import_string
from django.utils.safestring import SafeString, mark_safe

from infra import clock
from infra.console import exports

register = template.Library()
_READABLE = (
    orjson.OPT_INDENT_2
    | orjson.OPT_SORT_KEYS
    | orjson.OPT_NON_STR_KEYS
    | orjson.OPT_PASSTHROUGH_DATETIME
    | orjson.OPT_PASSTHROUGH_DATACLASS
)

_TONES = {
    "good": "pass live approved promoted completed passed published active better superior "
    "succeeded yes approve in_suite fresh improvement non_inferior safe fixed delivered",
    "bad": "fail error halted rejected failed errored worse regression no reject refused revoked "
    "aborted expired inferior harm invalid",
    "warn": "inconclusive stale waiting held evaluating unbound queued ageing saturated stopped "
    "open investigating isolated fixing paused can't_tell",
    "info": "waived running new draft candidate ramping watching held_back pending",
}
_TONE_OF = {word: tone for tone, words in _TONES.items() for word in words.split()}


@register.filter
def tone(state: object) -> str:
    """The colour word of a state; dim for those that need no attention."""
    return _TONE_OF.get(str(state).replace(" ", "_"), "dim")


@register.filter
def badge(state: object) -> SafeString:
    """A state as a coloured word; the word itself says it, colour only helps."""
    return format_html(
        '<span class="sw-badge sw-badge-{}">{}</span>', tone(state), str(state).replace("_", " ")
    )


@register.filter
def moment(value: datetime | None) -> SafeString | str:
    """A moment to the minute: in UTC, which the page's script turns into the viewer's zone."""
    if value is None:
        return "–"
    return format_html(
        '<time datetime="{}" data-moment>{} UTC</time>',
        value.isoformat(timespec="seconds"),
        value.strftime("%Y-%m-%d %H:%M"),
    )


@register.filter
def ago(value: datetime | None) -> SafeString | str:
    """How long ago, in one unit, with the exact moment on hover."""
    if value is None:
        return "–"
    text = _distance((clock.now() - value).total_seconds())
    return format_html('<time datetime="{}">{}</time>', value.isoformat(timespec="seconds"), text)


def _distance(seconds: float) -> str:
    size, words = abs(seconds), "in {}" if seconds < 0 else "{} ago"
    if size < 60:
        return "just now" if seconds >= 0 else "in under a minute"
    for limit, unit, name in ((3600, 60, "min"), (86_400, 3600, "h"), (1e12, 86_400, "d")):
        if size < limit:
            return words.format(f"{int(size // unit)} {name}")
    return words.format("long")


@register.filter
def span(value: timedelta) -> str:
    """A span of time in the largest unit that divides it: 90 min, 6 h, 7 d."""
    seconds = int(value.total_seconds())
    for size, name in ((86_400, "d"), (3600, "h"), (60, "min")):
        if seconds and seconds % size == 0:
            return f"{seconds // size} {name}"
    return f"{seconds} s"


@register.filter
def digest(value: str) -> SafeString | str:
    """The first twelve characters of a digest, the whole on hover."""
    if not value:
        return "–"
    return format_html('<code title="{}">{}</code>', value, str(value)[:12])


@register.filter
def percent(value: float | None) -> str:
    """A share as a percentage with one decimal."""
    return "–" if value is None else f"{100 * value:.1f} %"


@register.filter
def share(value: float | None) -> str:
    """A share as a percentage with three digits, as rare things need."""
    return "–" if value is None else f"{100 * value:.3g} %"


@register.filter
def points(value: float | None) -> str:
    """A difference of shares in percentage points, signed."""
    return "–" if value is None else f"{100 * value:+.1f}"


@register.filter
def margin(value: float) -> str:
    """A margin in percentage points: 2 points, 0.5 points."""
    size = f"{100 * value:.4g}"
    return f"{size} point{'s' * (size != '1')}"


@register.filter
def points_or_word(value: float | str | None) -> str:
    """As `points`; an end without bound, kept as a word, stays a word."""
    return "no bound" if isinstance(value, str) else points(value)


@register.filter
def micros(value: int | None, currency: str = "") -> str:
    """Integer micro-units as an amount of money; less than a cent to the last unit."""
    if value is None:
        return "–"
    digits = 6 if 0 < abs(value) < 10_000 else 4
    return f"{value / 1_000_000:,.{digits}f} {currency}".strip()


@register.filter
def per_thousand(value: float | None) -> str:
    """Micro-units of one as money for a thousand of them."""
    return "–" if value is None else f"{value / 1000:,.4f}"


@register.filter
def milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms"


@register.filter
def pretty(value: Any) -> str:
    """JSON for reading; the template escapes it."""
    try:
        return orjson.dumps(value, default=str, option=_READABLE).decode()
    except TypeError:
        # Whole numbers beyond 64 bits; the standard library's indented writer takes ten times as
        # long, which is a tenth of a page with sixty gates.
        return json.dumps(value, indent=2, ensure_ascii=False, sort_keys=True, default=str)


@register.filter
def compact(value: Any) -> str:
    """JSON on one line; text without its quotes unless it is empty."""
    return value if isinstance(value, str) and value else json.dumps(value, ensure_ascii=False)


@register.filter
def get(mapping: Any, key: Any) -> Any:
    """`mapping[key]`, None when it has none."""
    return mapping.get(key) if mapping is not None else None


@register.inclusion_tag("console/form.html", takes_context=True)
def action(context: template.Context, name: str, label: str, style: str = "main") -> dict[str, Any]:
    """The form called `name` of this page, with its one button."""
    form: Form = context["forms"][name]
    return {
        "form": form,
        "name": name,
        "label": label,
        "style": style,
        "csrf_token": context.get("csrf_token"),
    }


@register.filter
@stringfilter
def truncatechars(value: str, length: int) -> str:
    """Django's own, but exports get the whole text."""
    return value if exports.whole.get() else defaultfilters.truncatechars(value, length)


@register.tag
def exportable(parser: template.base.Parser, token: template.base.Token) -> template.Node:
    """What stands up to `endexportable`, with links to its exports after every table."""
    content = parser.parse(("endexportable",))
    parser.delete_first_token()
    return _Exportable(content)


class _Exportable(template.Node):
    """The content first, for only it tells which tables there are."""

    def __init__(self, nodelist: template.NodeList) -> None:
        self.nodelist = nodelist

    def render(self, context: template.Context) -> SafeString:
        html, request = self.nodelist.render(context), context["request"]
        if not context.get("exports") or exports.is_asked(request):
            return html
        # Both the page's content and the links are escaped where they are made.
        return mark_safe(exports.with_links(html, request))  # noqa: S308


@register.inclusion_tag("console/shell_notes.html")
def shell_notes() -> dict[str, Any]:
    """What every page has to say now, such as that the line is stopped."""
    makers = [import_string(path) for path in settings.SHELL_NOTES]
    return {"notes": [note for note in (make() for make in makers) if note is not None]}


@register.inclusion_tag("console/pages.html", takes_context=True)
def pages(
    context: template.Context,
    rows: Any,
    name: str = "page",
    order: str = "Newer Older",
    label: str = "Pages",
) -> dict[str, Any]:
    """Links to the neighbouring pages of `rows`, keeping the other parts of the address.

    `name` is the part of the address that counts them; also where on the page they stand, when it
    is not the only list there. Each list of a page then needs a `label` of its own.
    """
    request = context["request"]
    query = request.GET.copy()
    query.pop(name, None)
    before, after = order.split()
    place = "" if name == "page" else f"#{name}"
    words = {"name": name, "label": label, "place": place, "before": before, "after": after}
    asked = exports.is_asked(request)
    return {"rows": rows, "query": query.urlencode(), "asked": asked, **words}
