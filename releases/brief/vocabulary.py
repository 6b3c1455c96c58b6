"""What of the audit log is news about checkpoints, promotions and releases."""

from __future__ import annotations

from functools import partial

from infra.brief.contract import Told, Tone, Vocabulary

_of_checkpoint = partial(Told, page="console-checkpoints", detail="console-checkpoint")
_of_promotion = partial(Told, page="console-promotions", detail="console-promotion")
_of_release = partial(Told, page="console-board")
_of_line = partial(Told, page="console-line")

VOCABULARY: Vocabulary = {
    "checkpoint.registered": _of_checkpoint(
        one="A checkpoint was registered", many="{n} checkpoints were registered"
    ),
    "checkpoint.rejected": _of_line(
        one="A checkpoint was rejected", many="{n} checkpoints were rejected", tone=Tone.BAD
    ),
    "checkpoint.unrejected": _of_line(
        one="A rejection was taken back", many="{n} rejections were taken back"
    ),
    "promotion.requested": _of_promotion(
        one="A promotion was requested", many="{n} promotions were requested"
    ),
    "promotion.promoted": _of_promotion(
        one="A checkpoint was promoted", many="{n} checkpoints were promoted"
    ),
    "promotion.rejected": _of_promotion(
        one="A promotion was rejected", many="{n} promotions were rejected", tone=Tone.WARN
    ),
    "promotion.withdrawn": _of_promotion(
        one="A promotion was withdrawn", many="{n} promotions were withdrawn"
    ),
    "promotion.stale": _of_promotion(
        one="Evidence of a promotion went stale",
        many="Evidence of promotions went stale {n} times",
        tone=Tone.WARN,
    ),
    "waiver.confirmed": _of_line(
        one="A gate was waived", many="{n} gates were waived", tone=Tone.WARN
    ),
    "release.halted": _of_release(
        one="A release was halted", many="{n} releases were halted", tone=Tone.BAD
    ),
    "release.resumed": _of_release(one="A release was resumed", many="{n} releases were resumed"),
    "release.demoted": _of_release(
        one="A release was demoted", many="{n} releases were demoted", tone=Tone.WARN
    ),
    "release.rolled_back": _of_release(
        one="A stage was rolled back", many="{n} roll backs", tone=Tone.BAD
    ),
    "guardrail.fired": _of_release(
        one="A guardrail fired", many="Guardrails fired {n} times", tone=Tone.BAD
    ),
    "hold.placed": _of_release(one="A hold was placed", many="{n} holds were placed"),
    "hold.lifted": _of_release(one="A hold was lifted", many="{n} holds were lifted"),
    "freeze.placed": _of_line(one="A freeze was placed", many="{n} freezes were placed"),
    "freeze.ended": _of_line(one="A freeze was ended", many="{n} freezes were ended"),
    "ramp.stepped": _of_release(one="A ramp went a step up", many="Ramps went {n} steps up"),
    "ramp.stopped": _of_release(
        one="A ramp was stopped", many="{n} ramps were stopped", tone=Tone.WARN
    ),
    "pipeline.applied": _of_release(
        one="A pipeline was applied", many="Pipelines were applied {n} times"
    ),
}
