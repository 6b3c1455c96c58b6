"""Asks an upstream who it is: the models it lists, and short replies with a fixed seed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import openai

from infra.errors import InvalidInput, UpstreamError

PROMPTS = ("Name a colour.", "Count on: one, two,", "What is the capital of France?")
PROBES: tuple[Mapping[str, Any], ...] = tuple(
    {
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": 4,
        "temperature": 0,
        "seed": 7,
        "logprobs": True,
        "top_logprobs": 5,
    }
    for prompt in PROMPTS
)
# Not every server tells likelihoods, and some refuse the question.
LIKELIHOODS = frozenset({"logprobs", "top_logprobs"})
# No JSON holds the logarithm of nothing.
LEAST = -1e4
# A first token on a loaded laptop takes seconds; a name that does not resolve should not.
TIMEOUT = openai.Timeout(60.0, connect=5.0)
_SHOWN_NAMES = 10
_SHOWN_CHARACTERS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What an upstream answered; equal weights behind equal software answer alike.

    `texts` are the replies to `requests`, in order, and `tokens` their pieces, each with the log
    probabilities of the likeliest there, where the server tells them; the rest is of the first.
    """

    model: str
    texts: tuple[str, ...]
    finish_reason: str | None
    system_fingerprint: str | None
    tokens_in: int | None
    requests: tuple[Mapping[str, Any], ...]
    tokens: tuple[Sequence[Mapping[str, Any]], ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "model": self.model,
            "text": self.texts[0],
            "texts": list(self.texts),
            "finish_reason": self.finish_reason,
            "system_fingerprint": self.system_fingerprint,
            "tokens_in": self.tokens_in,
            "request": self.requests[0],
            "requests": list(self.requests),
            "tokens": [list(pieces) for pieces in self.tokens],
        }


def probe(
    *,
    base_url: str,
    upstream_model: str,
    secret: str = "",
    requests: Sequence[Mapping[str, Any]] = PROBES,
    timeout: openai.Timeout = TIMEOUT,
) -> Identity:
    """The identity of `upstream_model` at `base_url`, by its replies to `requests`.

    UpstreamError when nobody answers there as an OpenAI-compatible endpoint does; InvalidInput,
    with the names that it lists, when the model is not one of them.
    """
    with openai.OpenAI(
        base_url=base_url, api_key=secret or "none", max_retries=0, timeout=timeout
    ) as client:
        names = _names(_body(base_url, "models", client.models.with_raw_response.list))
        if upstream_model not in names:
            # An upstream that lists nothing at all says nothing about this model.
            code = "model_not_served" if names else "no_models_listed"
            raise InvalidInput(code, _not_listed(base_url, upstream_model, names))
        create = client.chat.completions.with_raw_response.create
        ask = partial(_replies, partial(create, model=upstream_model), base_url)
        try:
            asked = list(requests)
            bodies = ask(asked)
        except UpstreamError as error:
            plain = [{k: v for k, v in each.items() if k not in LIKELIHOODS} for each in requests]
            if error.retryable or plain == asked:
                raise
            asked = plain
            bodies = ask(asked)
    return _identity(base_url, upstream_model, tuple(asked), bodies)


def _replies(
    create: Callable[..., Any], base_url: str, requests: Sequence[Mapping[str, Any]]
) -> list[Any]:
    return [_body(base_url, "chat/completions", partial(create, **asked)) for asked in requests]


def _body(base_url: str, path: str, call: Callable[[], Any]) -> Any:
    where = f"{base_url}/{path}"
    try:
        return json.loads(call().content)
    except openai.APIStatusError as error:
        said = error.response.text[:_SHOWN_CHARACTERS].strip()
        problem, retryable = f"answered {error.status_code}: {said}", error.status_code >= 500
        if error.status_code in (401, 403):
            problem += ". Check the secret that `secret_ref` names"
    except openai.APITimeoutError:
        problem, retryable = "did not answer in time", True
    except openai.APIConnectionError as error:
        problem, retryable = f"could not be reached ({error.__cause__ or error})", True
    except (ValueError, RecursionError):
        problem, retryable = "answered something that is not JSON", False
    message = f"{where} {problem}. Is the base URL right, and the server up?"
    raise UpstreamError("upstream_probe_failed", message, retryable=retryable)


def _names(body: Any) -> list[str]:
    rows = body.get("data") if isinstance(body, dict) else None
    if not isinstance(rows, list):
        return []
    return [str(row["id"]) for row in rows if isinstance(row, dict) and "id" in row]


def _not_listed(base_url: str, upstream_model: str, names: list[str]) -> str:
    shown = ", ".join(names[:_SHOWN_NAMES]) or "none"
    more = f" and {len(names) - _SHOWN_NAMES} more" if len(names) > _SHOWN_NAMES else ""
    return (
        f"{base_url} does not serve {upstream_model!r}; it lists: {shown}{more}. Name one of these "
        "as the upstream's model, or start the server with yours."
    )


def _identity(
    base_url: str,
    upstream_model: str,
    requests: tuple[Mapping[str, Any], ...],
    bodies: Sequence[Any],
) -> Identity:
    try:
        body = bodies[0]
        choice = body["choices"][0]
        tokens = (body.get("usage") or {}).get("prompt_tokens")
        return Identity(
            model=str(body.get("model") or upstream_model),
            texts=tuple(
                str(found["choices"][0]["message"].get("content") or "") for found in bodies
            ),
            finish_reason=_text(choice.get("finish_reason")),
            system_fingerprint=_text(body.get("system_fingerprint")),
            tokens_in=tokens if isinstance(tokens, int) else None,
            requests=requests,
            tokens=tuple(_pieces(found["choices"][0]) for found in bodies),
        )
    except (TypeError, KeyError, IndexError, AttributeError) as error:
        message = f"{base_url}/chat/completions answered something that is no chat completion."
        raise UpstreamError("upstream_probe_failed", message, retryable=False) from error


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _pieces(choice: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The reply's tokens with what was likeliest at each; empty where they are not told."""
    told = choice.get("logprobs")
    rows = told.get("content") if isinstance(told, dict) else None
    try:
        return [
            {
                "token": str(row["token"]),
                "top": {
                    str(top["token"]): max(float(top["logprob"]), LEAST)
                    for top in row["top_logprobs"]
                },
            }
            for row in rows or []
        ]
    except (TypeError, KeyError, ValueError):
        return []
