"""What an app brings to the first page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A titled part of the Brief: its template and what that template shows."""

    title: str
    template: str
    column: Literal["main", "side"] = "main"
    link: str = ""
    link_text: str = ""
    content: Mapping[str, Any] = field(default_factory=dict)
