"""Bodies of the promotions' resources, in and out."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from releases.models import Answer, Approval, Promotion, PromotionComment, Waiver
from releases.registration import NAME_PATTERN
from releases.selectors import promotions as selectors
from releases.services.promotions.waivers import LONGEST_SPAN, MIN_REASON
from releases.states import Outcome, PromotionState, Vote

STAGE_PATTERN = r"^[a-z0-9][a-z0-9_-]{0,59}(/[a-z0-9][a-z0-9_-]{0,59})?$"


class PromotionIn(serializers.Serializer):
    """A request: what moves where, and why."""

    checkpoint = serializers.RegexField(f"^{NAME_PATTERN}$")
    stage = serializers.RegexField(STAGE_PATTERN, help_text="pipeline/stage, or stage alone.")
    reason = serializers.CharField(max_length=4000)
    hotfix = serializers.BooleanField(
        default=False, help_text="Skips soak and exposure alone, and owes a follow-up."
    )


class PromotionsQuery(serializers.Serializer):
    """Which promotions to list."""

    state = serializers.ChoiceField([state.value for state in PromotionState], required=False)
    checkpoint = serializers.CharField(max_length=120, required=False)
    stage = serializers.CharField(max_length=60, required=False, help_text="The stage's name.")


class AnswerIn(serializers.Serializer):
    """A person's answer to a gate that only people clear."""

    gate_id = serializers.CharField(max_length=80)
    yes = serializers.BooleanField()
    comment = serializers.CharField(max_length=4000)


class VoteIn(serializers.Serializer):
    """A vote; with `evidence_hash` it counts for what the person looked at, or not at all."""

    comment = serializers.CharField(max_length=4000, required=False, allow_blank=True)
    evidence_hash = serializers.RegexField("^[0-9a-f]{64}$", required=False)


class WaiverIn(serializers.Serializer):
    """A bypass of one gate, without effect until a second person confirms it."""

    gate_id = serializers.CharField(max_length=80)
    reason = serializers.CharField(min_length=MIN_REASON, max_length=4000)
    days = serializers.IntegerField(min_value=1, max_value=LONGEST_SPAN.days, default=7)


class PromotionCommentIn(serializers.Serializer):
    """A remark for whoever decides; it is never changed nor taken back."""

    text = serializers.CharField(max_length=4000)


class PromotionCommentOut(serializers.ModelSerializer):
    """What a person said about a promotion."""

    person = serializers.CharField(source="person.name")
    state = serializers.ChoiceField(
        [state.value for state in PromotionState],
        help_text="Of the promotion when it was said.",
    )

    class Meta:
        model = PromotionComment
        fields = ("id", "person", "text", "state", "commented_at")


class GateReasonOut(serializers.Serializer):
    """What a gate, the approvals or a hold say."""

    gate_id = serializers.CharField()
    kind = serializers.CharField()
    outcome = serializers.ChoiceField([outcome.value for outcome in Outcome])
    code = serializers.CharField()
    sentence = serializers.CharField()
    admits = serializers.BooleanField()
    human = serializers.BooleanField()
    shadow = serializers.BooleanField()
    observed = serializers.JSONField(allow_null=True)
    required = serializers.JSONField(allow_null=True)
    owner = serializers.CharField(allow_blank=True)
    clears_at = serializers.DateTimeField(allow_null=True)


class ExcludedOut(serializers.Serializer):
    """A person whose vote does not count on this promotion."""

    person = serializers.CharField()
    why = serializers.CharField(help_text="After the person's name: owns the checkpoint.")


class ApprovalOut(serializers.ModelSerializer):
    """A vote."""

    person = serializers.CharField(source="person.name")
    vote = serializers.ChoiceField([vote.value for vote in Vote])

    class Meta:
        model = Approval
        fields = (
            "person",
            "vote",
            "comment",
            "voted_at",
            "evidence_hash",
            "voided_at",
            "void_reason",
        )


class AnswerOut(serializers.ModelSerializer):
    """A person's answer."""

    person = serializers.CharField(source="person.name")

    class Meta:
        model = Answer
        fields = ("gate_id", "person", "yes", "comment", "answered_at")


class WaiverOut(serializers.ModelSerializer):
    """A bypass of one gate; in force once it is confirmed."""

    asked_by = serializers.CharField(source="asked_by.name")
    confirmed_by = serializers.CharField(source="confirmed_by.name", allow_null=True, default=None)

    class Meta:
        model = Waiver
        fields = (
            "id",
            "gate_id",
            "reason",
            "asked_by",
            "asked_at",
            "confirmed_by",
            "confirmed_at",
            "expires_at",
        )


class PromotionOut(serializers.ModelSerializer):
    """A promotion in one line."""

    checkpoint = serializers.CharField(source="checkpoint.name")
    family = serializers.CharField(source="checkpoint.family.name")
    size = serializers.CharField(source="checkpoint.size")
    stage = serializers.SerializerMethodField()
    stage_id = serializers.UUIDField()
    state = serializers.ChoiceField([state.value for state in PromotionState])
    requested_by = serializers.CharField(source="requester_name")
    superseded_by = serializers.UUIDField(source="superseded_by_id", allow_null=True)
    set = serializers.UUIDField(source="together_id", allow_null=True)

    class Meta:
        model = Promotion
        fields = (
            "id",
            "checkpoint",
            "family",
            "size",
            "stage",
            "stage_id",
            "state",
            "reason",
            "requested_by",
            "requested_at",
            "expires_at",
            "decided_at",
            "decision_reason",
            "superseded_by",
            "hotfix",
            "set",
        )

    def get_stage(self, promotion: Promotion) -> str:
        return str(promotion.stage)


class PromotionDetailOut(PromotionOut):
    """A promotion with everything that stands in its way, and everybody who decided."""

    admits = serializers.SerializerMethodField()
    machine_clear = serializers.SerializerMethodField()
    evidence_hash = serializers.SerializerMethodField()
    approvals_needed = serializers.SerializerMethodField()
    excluded = serializers.SerializerMethodField()
    reasons = serializers.SerializerMethodField()
    approvals = serializers.SerializerMethodField()
    answers = serializers.SerializerMethodField()
    waivers = serializers.SerializerMethodField()
    decisions = serializers.SerializerMethodField()

    class Meta(PromotionOut.Meta):
        fields = (
            *PromotionOut.Meta.fields,
            "admits",
            "machine_clear",
            "evidence_hash",
            "approvals_needed",
            "excluded",
            "reasons",
            "approvals",
            "answers",
            "waivers",
            "decisions",
        )

    @property
    def _detail(self) -> selectors.PromotionDetail:
        detail: selectors.PromotionDetail = self.context["detail"]
        return detail

    def get_admits(self, promotion: Promotion) -> bool:
        return self._detail.decision.admits

    def get_machine_clear(self, promotion: Promotion) -> bool:
        return self._detail.decision.machine_clear

    def get_evidence_hash(self, promotion: Promotion) -> str:
        return self._detail.decision.evidence_hash

    def get_approvals_needed(self, promotion: Promotion) -> int:
        return self._detail.decision.approvals_needed

    @extend_schema_field(ExcludedOut(many=True))
    def get_excluded(self, promotion: Promotion) -> Any:
        return [{"person": name, "why": why} for name, why in self._detail.excluded]

    @extend_schema_field(GateReasonOut(many=True))
    def get_reasons(self, promotion: Promotion) -> Any:
        return GateReasonOut(self._detail.decision.reasons, many=True).data

    @extend_schema_field(ApprovalOut(many=True))
    def get_approvals(self, promotion: Promotion) -> Any:
        return ApprovalOut(self._detail.approvals, many=True).data

    @extend_schema_field(AnswerOut(many=True))
    def get_answers(self, promotion: Promotion) -> Any:
        return AnswerOut(self._detail.answers, many=True).data

    @extend_schema_field(WaiverOut(many=True))
    def get_waivers(self, promotion: Promotion) -> Any:
        return WaiverOut(self._detail.waivers, many=True).data

    @extend_schema_field(serializers.ListField(child=serializers.UUIDField()))
    def get_decisions(self, promotion: Promotion) -> list[str]:
        return [str(record.pk) for record in self._detail.records]


def promotion_body(promotion: Promotion) -> Any:
    """The detail of a promotion as every action on it answers."""
    return detail_body(selectors.promotion_detail(promotion))


def detail_body(detail: selectors.PromotionDetail) -> Any:
    return PromotionDetailOut(detail.promotion, context={"detail": detail}).data
