"""How the console looks: the settings of django-unfold."""

from __future__ import annotations

_BASE = {
    "50": "oklch(98.4% .003 235)",
    "100": "oklch(96.4% .005 235)",
    "200": "oklch(92.4% .008 235)",
    "300": "oklch(86.5% .012 235)",
    "400": "oklch(70% .022 235)",
    "500": "oklch(54% .026 237)",
    "600": "oklch(44% .028 238)",
    "700": "oklch(36.5% .028 240)",
    "800": "oklch(27% .026 242)",
    "900": "oklch(20% .022 245)",
    "950": "oklch(14% .02 248)",
}
_PRIMARY = {
    "50": "oklch(97.5% .013 225)",
    "100": "oklch(94.5% .028 225)",
    "200": "oklch(89.5% .055 225)",
    "300": "oklch(82% .085 225)",
    "400": "oklch(73.5% .11 226)",
    "500": "oklch(61% .115 228)",
    "600": "oklch(50% .105 230)",
    "700": "oklch(43.5% .092 231)",
    "800": "oklch(37% .076 232)",
    "900": "oklch(31% .06 233)",
    "950": "oklch(23% .045 234)",
}

UNFOLD = {
    "SITE_TITLE": "Slipway",
    "SITE_HEADER": "Slipway",
    "SITE_URL": None,
    "SHOW_VIEW_ON_SITE": False,
    "SHOW_HISTORY": False,
    "SHOW_BACK_BUTTON": True,
    "BORDER_RADIUS": "6px",
    "COLORS": {"base": _BASE, "primary": _PRIMARY},
    "DASHBOARD_CALLBACK": "infra.console.first_page.with_brief",
    "LOGIN": {"form": "infra.console.sign_in.SignInForm"},
    "SIDEBAR": {
        "show_search": False,
        "navigation": "infra.console.menu.menu_of",
    },
}
