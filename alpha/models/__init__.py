"""Partners and their access, what they used, and what they said."""

from alpha.models.access import Cohort, CohortMember, Grant, Key, Partner
from alpha.models.feedback import Feedback
from alpha.models.usage import PartnerDataKey, Transcript, UsageEvent

__all__ = [
    "Cohort",
    "CohortMember",
    "Feedback",
    "Grant",
    "Key",
    "Partner",
    "PartnerDataKey",
    "Transcript",
    "UsageEvent",
]
