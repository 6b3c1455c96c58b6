"""What people do with a candidate's ramp over the management API."""

from __future__ import annotations

from uuid import UUID

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra.api.authentication import DECIDES, actor_of
from infra.api.bodies import checked
from releases.api.ramp_bodies import ApproveStepIn
from releases.api.releases import MoveRelease, ReleaseOut, body_of
from releases.selectors.releases import release_with_id
from releases.services import ramps as services


class ApproveStep(APIView):
    """Lets the step that a ramp is at go on."""

    permission_classes = DECIDES

    @extend_schema(request=ApproveStepIn, responses=ReleaseOut)
    def post(self, request: Request, release_id: UUID) -> Response:
        """The release with its ramp: moved on at once unless something else is missing."""
        release = release_with_id(release_id)
        asked = checked(ApproveStepIn, request.data)
        moved = services.approve_step(actor=actor_of(request), release=release, **asked)
        return body_of(moved)


class EndRamp(MoveRelease):
    """Makes a held-back candidate the incumbent."""

    permission_classes = DECIDES
    move = staticmethod(services.end_ramp)


_RAMP = "releases/<uuid:release_id>/ramp/"
urlpatterns = [
    path(f"{_RAMP}approve/", ApproveStep.as_view(), name="release-ramp-approve"),
    path(f"{_RAMP}end/", EndRamp.as_view(), name="release-ramp-end"),
]
