"""`manage.py backtest -f FILE... [--stage STAGE]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from infra.cli import SlipwayCommand
from infra.errors import InvalidInput
from releases.backtests import Found, Would
from releases.services.backtests import Backtest, Backtested, backtest


class Command(SlipwayCommand):
    help = "Judges past promotions by a proposed pipeline file: which flip, and who was exposed."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "-f", "--file", action="append", nargs="+", required=True, metavar="FILE", dest="files"
        )
        parser.add_argument(
            "--stage", metavar="STAGE", default="", help="stage, or pipeline/stage; all of them"
        )

    def run(self, **options: Any) -> Any:
        paths = [Path(name) for group in options["files"] for name in group]
        found = backtest(files={str(path): _text(path) for path in paths}, stage=options["stage"])
        for row in found.rows:
            self._say(row)
        n_unknown = sum(row.retold.would is Would.UNKNOWN for row in found.rows)
        self.say(
            f"{len(found.rows)} past promotions: {len(found.flips)} flip, "
            f"{n_unknown} unknown. Nothing was written."
        )
        return _as_dict(found)

    def _say(self, row: Backtested) -> None:
        retold = row.retold
        if not retold.flips and retold.would is not Would.UNKNOWN:
            return
        was = "went" if retold.went else "did not go"
        would = {
            Would.GO: "would have gone",
            Would.WAIT: "would not have gone",
            Would.UNKNOWN: "can't tell",
        }[retold.would]
        mark = "FLIPS " if retold.flips else "?     "
        self.say(f"{mark} {row.decided_at:%Y-%m-%d} {row.promotion}: {was}, {would}")
        for reason in retold.unmet:
            found = row.found.get(reason.gate_id)
            how = f" [{found.value}]" if found else ""
            self.say(f"         {reason.gate_id}{how}: {reason.sentence}")
        for seen in row.exposures:
            self.say(f"         exposed: {seen.partner}, {seen.n_requests} requests")
        if retold.flips and retold.went:
            self.say(f"         served for {row.lived.total_seconds() / 3600:g} h")
        if row.reachable:
            self.say(f"         would have reached: {', '.join(row.reachable)}")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("bad_file", f"{path} can't be read: {error}.") from error


def _as_dict(found: Backtest) -> dict[str, Any]:
    return {
        "n_promotions": len(found.rows),
        "n_flips": len(found.flips),
        "n_unknown": sum(row.retold.would is Would.UNKNOWN for row in found.rows),
        "promotions": [_row(row) for row in found.rows],
    }


def _row(row: Backtested) -> dict[str, Any]:
    return {
        "promotion": str(row.promotion.pk),
        "checkpoint": row.promotion.checkpoint.name,
        "stage": str(row.promotion.stage),
        "decided_at": row.decided_at.isoformat(),
        "went": row.retold.went,
        "would": row.retold.would.value,
        "flips": row.retold.flips,
        "reasons": [
            {
                "gate_id": reason.gate_id,
                "outcome": reason.outcome.value,
                "code": reason.code,
                "sentence": reason.sentence,
                "evidence": row.found.get(reason.gate_id, Found.RECORDED).value,
            }
            for reason in row.retold.unmet
        ],
        "exposed": [
            {
                "partner": seen.partner,
                "n_requests": seen.n_requests,
                "n_units": seen.n_units,
                "first_at": seen.first_at.isoformat(),
                "last_at": seen.last_at.isoformat(),
            }
            for seen in row.exposures
        ],
        "served_s": row.lived.total_seconds(),
        "would_have_reached": list(row.reachable),
    }
