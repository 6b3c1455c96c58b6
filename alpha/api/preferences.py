"""Blind side by sides: asked, voted on, revealed, and what the votes say."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import serializers
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import preferences as reads
from alpha.api.preference_shapes import (
    CHOICES,
    STATES,
    PreferenceAnswersOut,
    PreferenceOut,
    PreferenceResultsOut,
    shown,
)
from alpha.models import PreferenceSession
from alpha.preference_evidence import sentence_of
from alpha.preference_results import results_of
from alpha.services import preferences
from alpha.services.preference_answers import text_of
from alpha.states import Choice
from infra.actors import Actor
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked
from infra.errors import NotFound
from releases.models import Checkpoint
from releases.selectors.checkpoints import checkpoint_named


class PreferenceIn(serializers.Serializer):
    """Two checkpoints and what both are asked."""

    checkpoints = serializers.ListField(
        child=serializers.CharField(max_length=120), min_length=2, max_length=2
    )
    prompt = serializers.CharField(max_length=preferences.LONGEST_PROMPT)
    system = serializers.CharField(
        max_length=preferences.LONGEST_PROMPT, required=False, allow_blank=True, default=""
    )
    keeps_text = serializers.BooleanField(required=False, default=False)


class BallotIn(serializers.Serializer):
    """The vote, by place."""

    choice = serializers.ChoiceField(choices=CHOICES)
    comment = serializers.CharField(
        max_length=preferences.LONGEST_COMMENT, required=False, allow_blank=True, default=""
    )


class RevealPairIn(ReasonIn):
    """Two checkpoints of which every side by side is revealed."""

    checkpoints = serializers.ListField(
        child=serializers.CharField(max_length=120), min_length=2, max_length=2
    )


class RevealedPairOut(serializers.Serializer):
    n_revealed = serializers.IntegerField()


class PreferenceFilters(serializers.Serializer):
    state = serializers.ChoiceField(choices=STATES, required=False)
    partner = serializers.SlugField(max_length=80, required=False)


class ResultsAsked(serializers.Serializer):
    candidate = serializers.CharField(max_length=120)
    baseline = serializers.CharField(max_length=120)
    confidence = serializers.FloatField(min_value=0.5, max_value=0.999, default=0.95)


def own(actor: Actor, session_id: UUID) -> dict[str, Any]:
    """A session, with its answers where it is the actor's own."""
    session = reads.session_of(session_id)
    is_own = session.person_id is not None and session.person_id == actor.person_id
    text = text_of(session) if is_own else None
    answers = {place: text[place] for place in "ab"} if text else None
    return {**shown(session), "answers": answers}


def _two(names: list[str]) -> tuple[Checkpoint, Checkpoint]:
    return checkpoint_named(names[0]), checkpoint_named(names[1])


class Preferences(ListAPIView):
    """Side by sides, newest first; POST has two checkpoints answer, both at once."""

    serializer_class = PreferenceOut

    def get_queryset(self) -> QuerySet[PreferenceSession]:
        filters = PreferenceFilters(data=self.request.query_params)
        filters.is_valid(raise_exception=True)
        return reads.sessions(**filters.validated_data).select_related("revealed_by")

    @extend_schema(
        parameters=[
            OpenApiParameter("state", enum=STATES),
            OpenApiParameter("partner", {"type": "string", "maxLength": 80}),
        ]
    )
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=PreferenceIn, responses={201: PreferenceAnswersOut})
    def post(self, request: Request) -> Response:
        data, actor = checked(PreferenceIn, request.data), actor_of(request)
        preferences.must_rate(actor)
        one, other = _two(data.pop("checkpoints"))
        session = preferences.ask(actor=actor, one=one, other=other, **data)
        return Response(PreferenceAnswersOut(own(actor, session.pk)).data, status=201)


class PreferenceDetail(APIView):
    @extend_schema(responses=PreferenceAnswersOut)
    def get(self, request: Request, session_id: UUID) -> Response:
        return Response(PreferenceAnswersOut(own(actor_of(request), session_id)).data)


class VotePreference(APIView):
    """The caller's one vote on a side by side of their own."""

    @extend_schema(request=BallotIn, responses=PreferenceAnswersOut)
    def post(self, request: Request, session_id: UUID) -> Response:
        data, actor = checked(BallotIn, request.data), actor_of(request)
        preferences.must_rate(actor)
        session = reads.session_of(session_id)
        choice = Choice(data["choice"])
        preferences.vote(actor=actor, session=session, choice=choice, comment=data["comment"])
        return Response(PreferenceAnswersOut(own(actor, session_id)).data)


class RevealPreference(APIView):
    """Says which checkpoint gave which answer; no vote is taken from then on."""

    @extend_schema(request=ReasonIn, responses=PreferenceAnswersOut)
    def post(self, request: Request, session_id: UUID) -> Response:
        data, actor = checked(ReasonIn, request.data), actor_of(request)
        session = reads.session_of(session_id)
        preferences.reveal(actor=actor, session=session, reason=data["reason"])
        return Response(PreferenceAnswersOut(own(actor, session_id)).data)


class RevealPair(APIView):
    """Reveals every side by side of two checkpoints that has answers."""

    @extend_schema(request=RevealPairIn, responses=RevealedPairOut)
    def post(self, request: Request) -> Response:
        data = checked(RevealPairIn, request.data)
        one, other = _two(data["checkpoints"])
        n_revealed = preferences.reveal_pair(
            actor=actor_of(request), one=one, other=other, reason=data["reason"]
        )
        return Response(RevealedPairOut({"n_revealed": n_revealed}).data)


class PreferenceResults(APIView):
    """What the votes on a candidate and a baseline say so far."""

    @extend_schema(
        parameters=[
            OpenApiParameter("candidate", {"type": "string", "maxLength": 120}, required=True),
            OpenApiParameter("baseline", {"type": "string", "maxLength": 120}, required=True),
            OpenApiParameter("confidence", {"type": "number", "minimum": 0.5, "maximum": 0.999}),
        ],
        responses=PreferenceResultsOut,
    )
    def get(self, request: Request) -> Response:
        data = checked(ResultsAsked, request.query_params)
        candidate = checkpoint_named(data["candidate"])
        baseline = checkpoint_named(data["baseline"])
        told = results_told(actor_of(request), candidate, baseline, data["confidence"])
        return Response(PreferenceResultsOut(told).data)


def results_told(
    actor: Actor, candidate: Checkpoint, baseline: Checkpoint, confidence: float
) -> dict[str, Any]:
    """The results as JSON; NotFound without a vote, NotPermitted while the actor is blind."""
    preferences.must_see_results(actor, candidate, baseline)
    votes = reads.votes_on(candidate, baseline)
    if not votes.ballots:
        message = f"Nobody has compared {candidate.name} with {baseline.name} blind yet."
        raise NotFound("no_votes", message)
    found = results_of(votes.ballots, confidence)
    names = [name for name in PreferenceResultsOut().fields if hasattr(found, name)]
    return {
        "candidate": candidate.name,
        "baseline": baseline.name,
        "sentence": sentence_of(votes, confidence),
        **{name: getattr(found, name) for name in names},
    }
