"""Promotions and waivers over the management API."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework.generics import ListAPIView
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import DECIDES, actor_of
from infra.api.bodies import ReasonIn, checked
from releases.api.promotion_bodies import (
    AnswerIn,
    PromotionCommentIn,
    PromotionCommentOut,
    PromotionDetailOut,
    PromotionIn,
    PromotionOut,
    PromotionsQuery,
    VoteIn,
    WaiverIn,
    WaiverOut,
    promotion_body,
)
from releases.selectors import promotions as selectors
from releases.selectors.checkpoints import checkpoint_named
from releases.selectors.pipelines import stage_named
from releases.services import promotions as services
from releases.states import Vote


class Promotions(ListAPIView):
    """Requests promotions and lists them, newest first."""

    serializer_class = PromotionOut

    def get_queryset(self) -> Any:
        asked = checked(PromotionsQuery, self.request.query_params)
        names = {"state": "state", "checkpoint": "checkpoint__name", "stage": "stage__name"}
        found = selectors.promotions()
        return found.filter(**{names[key]: value for key, value in asked.items()})

    @extend_schema(parameters=[PromotionsQuery])
    def get(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        return super().get(request, *args, **kwargs)

    @extend_schema(request=PromotionIn, responses={201: PromotionDetailOut})
    def post(self, request: Request) -> Response:
        """The promotion, its gates evaluated once; 409 with every reason why it can't be."""
        asked = checked(PromotionIn, request.data)
        promotion = services.request_promotion(
            actor=actor_of(request),
            checkpoint=checkpoint_named(asked["checkpoint"]),
            stage=stage_named(asked["stage"]),
            reason=asked["reason"],
            hotfix=asked["hotfix"],
        )
        return Response(promotion_body(promotion), status=201)


class PromotionDetail(APIView):
    """One promotion."""

    @extend_schema(responses=PromotionDetailOut)
    def get(self, request: Request, promotion_id: UUID) -> Response:
        return Response(promotion_body(selectors.promotion_with_id(promotion_id)))


class EvaluatePromotion(APIView):
    """Judges all gates now."""

    @extend_schema(request=None, responses=PromotionDetailOut)
    def post(self, request: Request, promotion_id: UUID) -> Response:
        promotion = services.evaluate_promotion(
            actor=actor_of(request), promotion=selectors.promotion_with_id(promotion_id)
        )
        return Response(promotion_body(promotion))


class AnswerGate(APIView):
    """Answers a gate that only people clear."""

    permission_classes = DECIDES

    @extend_schema(request=AnswerIn, responses=PromotionDetailOut)
    def post(self, request: Request, promotion_id: UUID) -> Response:
        """A no blocks; keys are refused."""
        asked = checked(AnswerIn, request.data)
        promotion = services.answer_gate(
            actor=actor_of(request), promotion=selectors.promotion_with_id(promotion_id), **asked
        )
        return Response(promotion_body(promotion))


class ApprovePromotion(APIView):
    """Approves; the vote that completes the quorum executes the promotion."""

    permission_classes = DECIDES
    choice = Vote.APPROVE

    @extend_schema(request=VoteIn, responses=PromotionDetailOut)
    def post(self, request: Request, promotion_id: UUID) -> Response:
        """Keys, the requester and the checkpoint's owner are refused."""
        asked = checked(VoteIn, request.data)
        promotion = services.vote(
            actor=actor_of(request),
            promotion=selectors.promotion_with_id(promotion_id),
            choice=self.choice,
            **asked,
        )
        return Response(promotion_body(promotion))


class RejectPromotion(ApprovePromotion):
    """Rejects, which ends the request; the comment is needed."""

    choice = Vote.REJECT


class WaiveGate(APIView):
    """Asks for a bypass of one gate."""

    permission_classes = DECIDES

    @extend_schema(request=WaiverIn, responses={201: WaiverOut})
    def post(self, request: Request, promotion_id: UUID) -> Response:
        """Nothing changes until a second release manager confirms it."""
        asked = checked(WaiverIn, request.data)
        waiver = services.waive_gate(
            actor=actor_of(request),
            promotion=selectors.promotion_with_id(promotion_id),
            gate_id=asked["gate_id"],
            reason=asked["reason"],
            lasts=timedelta(days=asked["days"]),
        )
        return Response(WaiverOut(waiver).data, status=201)


class ConfirmWaiver(APIView):
    """Signs a waiver as the second person."""

    permission_classes = DECIDES

    @extend_schema(request=None, responses=WaiverOut)
    def post(self, request: Request, waiver_id: UUID) -> Response:
        waiver = services.confirm_waiver(
            actor=actor_of(request), waiver=selectors.waiver_with_id(waiver_id)
        )
        return Response(WaiverOut(selectors.waiver_with_id(waiver.pk)).data)


class PromotionComments(ListAPIView):
    """What people said about a promotion, the oldest first."""

    serializer_class = PromotionCommentOut

    def get_queryset(self) -> Any:
        promotion = selectors.promotion_with_id(self.kwargs["promotion_id"])
        return selectors.comments_of(promotion)

    @extend_schema(request=PromotionCommentIn, responses={201: PromotionCommentOut})
    def post(self, request: Request, promotion_id: UUID) -> Response:
        """Says something, for good; keys are refused."""
        asked = checked(PromotionCommentIn, request.data)
        made = services.comment_on_promotion(
            actor=actor_of(request),
            promotion=selectors.promotion_with_id(promotion_id),
            text=asked["text"],
        )
        return Response(PromotionCommentOut(made).data, status=201)


class WithdrawPromotion(APIView):
    """Takes a promotion back."""

    @extend_schema(request=ReasonIn, responses=PromotionDetailOut)
    def post(self, request: Request, promotion_id: UUID) -> Response:
        promotion = services.withdraw_promotion(
            actor=actor_of(request),
            promotion=selectors.promotion_with_id(promotion_id),
            **checked(ReasonIn, request.data),
        )
        return Response(promotion_body(promotion))


_ONE = "promotions/<uuid:promotion_id>/"
urlpatterns = [
    path("promotions/", Promotions.as_view(), name="promotions"),
    path(_ONE, PromotionDetail.as_view(), name="promotion"),
    path(f"{_ONE}evaluate/", EvaluatePromotion.as_view(), name="promotion-evaluate"),
    path(f"{_ONE}answer/", AnswerGate.as_view(), name="promotion-answer"),
    path(f"{_ONE}approve/", ApprovePromotion.as_view(), name="promotion-approve"),
    path(f"{_ONE}reject/", RejectPromotion.as_view(), name="promotion-reject"),
    path(f"{_ONE}waive/", WaiveGate.as_view(), name="promotion-waive"),
    path(f"{_ONE}comments/", PromotionComments.as_view(), name="promotion-comments"),
    path(f"{_ONE}withdraw/", WithdrawPromotion.as_view(), name="promotion-withdraw"),
    path("waivers/<uuid:waiver_id>/confirm/", ConfirmWaiver.as_view(), name="waiver-confirm"),
]
