"""What of the audit log is news about partners, feedback and findings."""

from __future__ import annotations

from functools import partial

from infra.brief.contract import Told, Tone, Vocabulary

_of_partner = partial(Told, page="console-partners")
_of_finding = partial(Told, page="console-findings", detail="console-finding")
_of_notice = partial(Told, page="console-notices", detail="console-notice")

VOCABULARY: Vocabulary = {
    "partner.made": _of_partner(one="A partner was added", many="{n} partners were added"),
    "partner.ended": _of_partner(
        one="A partner's access ended", many="The access of {n} partners ended", tone=Tone.WARN
    ),
    "grant.made": _of_partner(one="A grant was made", many="{n} grants were made"),
    "grant.revoked": _of_partner(
        one="A grant was revoked", many="{n} grants were revoked", tone=Tone.WARN
    ),
    "key.issued": _of_partner(
        one="A partner's key was issued", many="{n} partners' keys were issued"
    ),
    "key.revoked": _of_partner(
        one="A partner's key was revoked", many="{n} partners' keys were revoked", tone=Tone.WARN
    ),
    "finding.opened": _of_finding(one="A finding was opened", many="{n} findings were opened"),
    "finding.isolated": _of_finding(
        one="The cause of a finding was isolated", many="The causes of {n} findings were isolated"
    ),
    "finding.fixed": _of_finding(
        one="A finding is said to be fixed", many="{n} findings are said to be fixed"
    ),
    "finding.reconfirmed": _of_finding(
        one="A reporter answered whether it is gone",
        many="Reporters answered {n} times whether it is gone",
    ),
    "notice.sent": _of_notice(one="A notice was sent", many="{n} notices were sent"),
}
