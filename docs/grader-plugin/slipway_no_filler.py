"""A grader from outside: `no_filler`, 1 when the answer holds none of the settings' phrases."""

from evals.graders.contract import single_grade, single_labels

SCHEMA = {
    "type": "object",
    "required": ["phrases"],
    "properties": {"phrases": {"type": "array", "items": {"type": "string"}, "minItems": 1}},
}
TARGET_SCHEMA = {}
labels = single_labels


def grade(spec, case, sample):
    """The share of phrases that are not there."""
    found = [each for each in spec["phrases"] if each.lower() in sample.output_text.lower()]
    said = f"holds {', '.join(found)}" if found else "holds no filler"
    return single_grade(spec, case, 1 - len(found) / len(spec["phrases"]), said)
