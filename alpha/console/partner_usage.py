"""What one partner used: a chart a question, and the table that they are drawn from."""

from __future__ import annotations

from typing import Any

from alpha.console.partner import OfPartner
from alpha.usage_view import usage_view


class PartnerUsagePage(OfPartner):
    """Thirty days by day and codename."""

    template_name = "alpha/partner_usage.html"
    tab = "usage"

    def context(self) -> dict[str, Any]:
        return {**super().context(), **usage_view(self.partner)}
