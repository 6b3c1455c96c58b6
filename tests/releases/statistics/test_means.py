import math

import pytest

from releases.statistics.mean_score import wilson
from releases.statistics.means import ScoredCase, mean_nodes


def scored(*scores, clusters=None):
    labels = clusters or [None] * len(scores)
    return [
        ScoredCase(case_id=str(i), scores=each, cluster=label)
        for i, (each, label) in enumerate(zip(scores, labels, strict=True))
    ]


def test_plain_pass_fail_has_wilsons_interval_and_missing_cases_are_left_out():
    nodes = {"": scored(*[(1.0,)] * 45, *[(0.0,)] * 15, ())}
    result = mean_nodes(nodes, suite_name="sql")[""]
    assert (result.n, result.n_missing, result.method) == (60, 1, "wilson")
    assert (result.lo, result.hi) == wilson(45, 60)
    assert result.is_sufficient
    assert result.sentence == "sql: 75.0% (95% CI 62.8..84.2, 60 cases)"


def test_repeats_count_as_one_case():
    result = mean_nodes({"a": scored(*[(1.0, 0.0)] * 10)}, suite_name="sql")["a"]
    assert (result.n, result.mean, result.method) == (10, 0.5, "cr2")


def test_repeats_that_agree_are_not_taken_for_single_samples():
    result = mean_nodes({"a": scored(*[(1.0, 1.0)] * 20)}, suite_name="sql")["a"]
    assert result.method == "cr2"
    assert result.lo < result.mean


def test_four_clusters_are_not_sufficient():
    table = scored(*[(float(i % 2),) for i in range(40)], clusters=[str(i % 4) for i in range(40)])
    result = mean_nodes({"a": table}, suite_name="sql")["a"]
    assert (result.n_clusters, result.is_sufficient) == (4, False)


def test_no_case_has_no_mean():
    result = mean_nodes({"a": scored(())}, suite_name="sql")["a"]
    assert (result.mean, result.lo, result.is_sufficient) == (None, None, False)
    assert result.sentence == "a: 0 cases, nothing to average"


@pytest.mark.parametrize("bad", [math.nan, -0.1, 1.1])
def test_a_bad_score_names_field_case_and_node(bad):
    with pytest.raises(ValueError, match=r"^scores\[0\]: .*case '0' of node 'a'"):
        mean_nodes({"a": scored((bad,))}, suite_name="sql")
