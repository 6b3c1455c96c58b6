"""What of the audit log is news about suites, runs and judges."""

from __future__ import annotations

from functools import partial

from infra.brief.contract import Told, Tone, Vocabulary

_of_suite = partial(Told, page="console-suites")
_of_run = partial(Told, page="console-runs", detail="console-run")
_of_set = partial(Told, page="console-run-sets", detail="console-run-set")
_of_judge = partial(Told, page="console-judges")
_of_probe = partial(Told, page="console-probes", detail="console-probe")

VOCABULARY: Vocabulary = {
    # Importing a suite publishes its first version; a probe publishes one for itself.
    "suite.published": _of_suite(
        one="A suite version was published", many="{n} suite versions were published", but="probe-"
    ),
    "suite.renewed": _of_suite(one="A suite was renewed", many="{n} suites were renewed"),
    "run.completed": _of_run(
        one="A run was completed", many="{n} runs were completed", but="probe-"
    ),
    "run.failed": _of_run(one="A run failed", many="{n} runs failed", tone=Tone.WARN),
    "run.imported": _of_run(one="A run was imported", many="{n} runs were imported"),
    "run_set.reported": _of_set(
        one="A set of runs was reported", many="{n} sets of runs were reported"
    ),
    "judge.calibrated": _of_judge(
        one="A judge was calibrated", many="Judges were calibrated {n} times"
    ),
    "probe.concluded": _of_probe(one="A probe was concluded", many="{n} probes were concluded"),
}
