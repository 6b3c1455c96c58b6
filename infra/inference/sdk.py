"""Chat completions through the `openai` SDK, for what the fast client does not do (proxies)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

import openai
from openai import AsyncOpenAI

from infra.inference import answers, retries
from infra.inference.contract import Completion, Pace, RetryPolicy, connect_s

# The SDK wants a key; upstreams without one ignore it.
NO_SECRET = "none"  # noqa: S105


class OpenAIClient:
    """Chat completions of one upstream; the SDK's own retries are off, so the bound is ours."""

    def __init__(
        self,
        *,
        base_url: str,
        secret: str = "",
        timeout_s: float = 120.0,
        retry: RetryPolicy | None = None,
        pace: Pace | None = None,
    ) -> None:
        self._retry, self._pace = retry or RetryPolicy(), pace or retries.NoPace()
        self._sdk = AsyncOpenAI(
            base_url=base_url,
            api_key=secret or NO_SECRET,
            max_retries=0,
            timeout=openai.Timeout(timeout_s, connect=connect_s(timeout_s)),
        )

    async def complete(self, body: Mapping[str, Any]) -> Completion:
        """The answer; CompletionFailed when the policy's calls are spent or the error is final."""
        return await retries.complete(partial(self._call, body), self._retry, self._pace)

    async def close(self) -> None:
        """Close every connection."""
        await self._sdk.close()

    async def _call(self, body: Mapping[str, Any], n_calls: int) -> Completion:
        rest = {key: value for key, value in body.items() if key not in {"model", "messages"}}
        began = time.monotonic()
        try:
            response = await self._sdk.chat.completions.with_raw_response.create(
                model=body["model"], messages=body["messages"], extra_body=rest
            )
        except openai.APIStatusError as error:
            answer = error.response
            raise answers.refused(error.status_code, answer.headers, answer.content) from error
        except openai.APITimeoutError as error:
            # By its name: the SDK chooses between two releases of its transport.
            if type(error.__cause__).__name__ == "ConnectTimeout":
                raise answers.unreachable(error.__cause__ or error) from error
            raise answers.timed_out() from error
        except openai.APIConnectionError as error:
            raise answers.unreachable(error.__cause__ or error) from error
        return answers.completion(response.content, (time.monotonic() - began) * 1000, n_calls)
