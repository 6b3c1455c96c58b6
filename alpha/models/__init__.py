"""Partners and their access, what they used, and what they said."""

from alpha.models.access import Cohort, CohortMember, Grant, Key, Partner
from alpha.models.feedback import Feedback
from alpha.models.findings import Finding, FindingReport
from alpha.models.live import (
    LandedCall,
    TrafficArm,
    TrafficBatch,
    TrafficSegment,
    TrafficStay,
    TrafficUnit,
)
from alpha.models.notices import Notice, NoticeRecipient
from alpha.models.people import PartnerInvitation, PartnerLogin, Terms, TermsAcceptance
from alpha.models.preferences import PreferenceSession, PreferenceText, PreferenceVote
from alpha.models.triage import FeedbackAttachment, FeedbackLikeness, InboxFilter
from alpha.models.usage import PartnerDataKey, Transcript, UsageEvent

__all__ = [
    "Cohort",
    "CohortMember",
    "Feedback",
    "FeedbackAttachment",
    "FeedbackLikeness",
    "Finding",
    "FindingReport",
    "Grant",
    "InboxFilter",
    "Key",
    "LandedCall",
    "Notice",
    "NoticeRecipient",
    "Partner",
    "PartnerDataKey",
    "PartnerInvitation",
    "PartnerLogin",
    "PreferenceSession",
    "PreferenceText",
    "PreferenceVote",
    "Terms",
    "TermsAcceptance",
    "TrafficArm",
    "TrafficBatch",
    "TrafficSegment",
    "TrafficStay",
    "TrafficUnit",
    "Transcript",
    "UsageEvent",
]
