"""A kind of gate from outside: `required_files`, with its rule and its source of evidence."""

from __future__ import annotations

from datetime import datetime

from releases.gates import options, reading
from releases.gates.contract import Evidence, Gate, Subject, Verdict
from releases.states import Outcome


class RequiredFiles:
    """The rule. Pure: a recorded decision is judged again without Django or a database."""

    kind = "required_files"
    human = False
    schema = options.options_schema(
        {
            "files": {
                "type": "array",
                "items": {"type": "string", "minLength": 1},
                "minItems": 1,
                "uniqueItems": True,
            }
        },
        required=["files"],
    )

    def judge(self, gate: Gate, evidence: Evidence, now: datetime) -> Verdict:
        """Fail names the files that are not there; whatever is malformed is an error."""
        present = {reading.text(row, "path") for row in reading.rows(evidence.observed, "files")}
        required = list(gate.options["files"])
        absent = [path for path in required if path not in present]
        sentence = (
            f"{len(absent)} of {len(required)} required files are not in the artifact: "
            f"{', '.join(absent)}."
            if absent
            else f"All {len(required)} required files are in the artifact."
        )
        return Verdict(
            outcome=Outcome.FAIL if absent else Outcome.PASS,
            code="files_absent" if absent else "files_present",
            sentence=sentence,
            observed={"n_present": len(required) - len(absent)},
            required={"files": required},
        )


class ManifestFiles:
    """The source. It runs inside the product, so it imports models only when it is asked."""

    kinds = frozenset({"required_files"})

    def gather(self, gate: Gate, subject: Subject, now: datetime) -> Evidence:
        """The paths of the checkpoint's manifest; its digest makes older outcomes stale."""
        from releases.models import Checkpoint

        checkpoint = Checkpoint.objects.get(pk=subject.checkpoint_id)
        return Evidence(
            observed={"files": [{"path": file["path"]} for file in checkpoint.manifest]},
            inputs={f"manifest:{checkpoint.artifact_uri}": checkpoint.manifest_digest},
        )
