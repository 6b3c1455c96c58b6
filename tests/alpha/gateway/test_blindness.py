"""Nothing that a client can see tells which version gave which answer: 100 sessions, searched."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx2 as httpx
import numpy as np
import pytest

from alpha.gateway.config import GatewayConfig
from alpha.models import PreferenceSession
from alpha.services.grants import Quotas
from tests.alpha.gateway.server import Running, running, usage_of
from tests.alpha.gateway.test_leaks import REPLY_HEADERS
from tests.alpha.gateway.two_arms import CANDIDATE_MODEL, TwoArms, question, session_of, two_arms
from tests.alpha.gateway.upstream import MARKS, Behaviour, Upstream

N_SESSIONS = 100
# Of a fair coin 100 times: at most 67 but for one case in 5,000.
CHANCE = 0.67
WORDS = "the a table holds rows and every row names its column once".split()
LEFT = "x-ratelimit-remaining-tokens"


@pytest.fixture
def other_upstream() -> Iterator[Upstream]:
    server = Upstream()
    server.start()
    yield server
    server.stop()


@pytest.fixture
def arms(config: GatewayConfig, upstream: Upstream, other_upstream: Upstream) -> TwoArms:
    # Limited, so that what is left of the limit can be read off every answer.
    return two_arms(upstream, other_upstream, quotas=Quotas(tokens_per_minute=10**9))


@pytest.fixture
def gateway(config: GatewayConfig, arms: TwoArms) -> Iterator[Running]:
    with running(config) as server:
        yield server


class Told:
    """One session as its client saw it."""

    def __init__(self, client: httpx.Client, number: int) -> None:
        began = time.perf_counter()
        self.reply = client.post("/preferences", json=question(seed=number))
        self.seconds = time.perf_counter() - began
        assert self.reply.status_code == 200, self.reply.text
        self.body: dict[str, Any] = self.reply.json()
        identifier = self.body["id"]
        self.usage = client.get("/usage").text
        choice = ["a", "b", "tie", "both_bad"][number % 4]
        voted = client.post(f"/preferences/{identifier}/vote", json={"choice": choice})
        self.after = [self.reply, voted, client.get(f"/preferences/{identifier}")]

    def everything(self) -> str:
        return " ".join(f"{reply.headers.raw!r}{reply.content!r}" for reply in self.after)

    def features(self) -> list[float]:
        """Every number that can be read off: of the texts, the ids, the time, sizes, places."""
        a, b = (self.body["answers"][place]["content"] for place in "ab")
        session, request = (
            int(re.sub("[^0-9a-f]", "", text), 16)
            for text in (self.body["id"], self.reply.headers["x-request-id"])
        )
        bits = [float(number >> at & 1) for number in (session, request) for at in range(8)]
        usage = [float(value) for value in re.findall(r"\d+", self.usage)]
        return [
            self.seconds,
            float(len(a) - len(b)),
            float(len(a.split()) - len(b.split())),
            float(sum(map(ord, a)) - sum(map(ord, b))),
            float(a < b),
            float(len(self.reply.content)),
            float(self.reply.content.index(b'"a"') - self.reply.content.index(b'"b"')),
            float(len(self.reply.headers.raw)),
            float(sum(usage)),
            *(float(reply.headers.get(LEFT, 0)) for reply in self.after),
            *bits,
        ]


def behave(arms: TwoArms, dice: random.Random) -> None:
    """Both say the same kind of thing; all else that could differ, differs."""
    incumbent, candidate = arms.upstreams
    for server, slow, ends in ((incumbent, 0.0, ""), (candidate, 0.06, " \n\n")):
        words = [f"{dice.choice(WORDS)} " for _ in range(dice.randint(3, 9))]
        name = CANDIDATE_MODEL if server is candidate else "smollm2-135m-instruct"
        # Each names itself and ends its text in its own way.
        server.behaviour = Behaviour(words=[*words, f"says {name}", ends], delay_s=slow)


def accuracy(features: Sequence[Sequence[float]], truth: Sequence[bool], folds: int = 10) -> float:
    """Of a logistic regression, ridge of 1, on standardised features, cross-validated."""
    x, y = np.array(features, float), np.array(truth, float)
    hits = 0
    for fold in range(folds):
        test = np.arange(len(y)) % folds == fold
        mean, sd = x[~test].mean(0), x[~test].std(0)
        z = (x - mean) / np.where(sd == 0, 1, sd)
        z = np.hstack([np.ones((len(y), 1)), z])
        beta = np.zeros(z.shape[1])
        for _ in range(50):
            p = 1 / (1 + np.exp(-np.clip(z[~test] @ beta, -30, 30)))
            gradient = z[~test].T @ (y[~test] - p) - beta
            hessian = (z[~test].T * (p * (1 - p))) @ z[~test] + np.eye(len(beta))
            beta += np.linalg.solve(hessian, gradient)
        hits += int(np.sum((z[test] @ beta > 0) == (y[test] > 0.5)))
    return hits / len(y)


@pytest.mark.long
def test_a_hundred_sessions_tell_their_client_nothing(gateway: Running, arms: TwoArms) -> None:
    dice, told = random.Random(11), []
    headers = {"authorization": f"Bearer {arms.granted.key_text}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=20) as client:
        for number in range(N_SESSIONS):
            behave(arms, dice)
            told.append(Told(client, number))
    sessions = [session_of(one.body) for one in told]
    truth = [session.arm_a == "candidate" for session in sessions]
    assert 25 <= sum(truth) <= 75, "the order is drawn like a coin"
    _no_string(arms, told, sessions)
    _one_form(told)
    found = accuracy([one.features() for one in told], truth)
    print(f"accuracy of the classifier: {found:.2f} of {N_SESSIONS}")  # noqa: T201
    assert 0.3 <= found <= CHANCE
    # The same classifier sees at once what the house knows: which of the two was faster.
    assert accuracy([[waited(session)] for session in sessions], truth) > 0.95


def waited(session: PreferenceSession) -> float:
    """Milliseconds that A's upstream took longer than B's."""
    a, b = (usage_of(str(request)) for request in (session.request_a, session.request_b))
    return float(a.first_token_ms - b.first_token_ms)


def _no_string(arms: TwoArms, told: list[Told], sessions: list[PreferenceSession]) -> None:
    """No name, id, address or word of either version, in any byte of any answer."""
    rows = [arms.granted.checkpoint, arms.candidate, arms.granted.release, arms.candidate_release]
    ids = [str(row.pk) for row in rows] + [arms.granted.checkpoint.checkpoint_digest]
    names = [CANDIDATE_MODEL, arms.candidate.name, arms.granted.checkpoint.name, "fp_upstream"]
    words = ["You are brief", "tuned one", "candidate", "incumbent"]
    marks = [*MARKS, *ids, *names, *words, *(server.url for server in arms.upstreams)]
    for one, session in zip(told, sessions, strict=True):
        own = [str(session.request_a), str(session.request_b), session.request_a.hex]
        seen = one.everything().lower()
        assert not [mark for mark in [*marks, *own] if mark.lower() in seen]


def _one_form(told: list[Told]) -> None:
    """Headers, fields and their order are the same in every session."""
    for kind in range(3):
        (found,) = {frozenset(one.after[kind].headers) for one in told}
        assert found <= REPLY_HEADERS
    assert len({tuple(one.body) for one in told}) == 1
    assert {tuple(one.body["answers"]) for one in told} == {("a", "b")}
    shapes = {tuple(answer) for one in told for answer in one.body["answers"].values()}
    assert shapes == {("content", "tool_calls")}
    assert all(one.body["revealed"] is None for one in told)


def test_meanwhile_usage_and_states_do_not_tell_that_one_has_answered(
    gateway: Running, arms: TwoArms
) -> None:
    """While the slower one is still at it, what the faster one used is nowhere to be read."""
    arms.candidate_upstream.behaviour.delay_s = 2.0
    headers = {"authorization": f"Bearer {arms.granted.key_text}"}
    with httpx.Client(base_url=gateway.url, headers=headers, timeout=20) as client:
        with ThreadPoolExecutor(1) as pool:
            asked = pool.submit(client.post, "/preferences", json=question())
            seen = set()
            while not asked.done():
                seen.add(client.get("/usage").text)
                seen.add(str([row["state"] for row in client.get("/preferences").json()["data"]]))
                time.sleep(0.05)
            assert asked.result().status_code == 200
    before = {text for text in seen if "usage" in text and '"n_calls"' in text}
    assert len(before) <= 1, "only the end of both may show"
    assert all('"n_calls":2' in text for text in before)
