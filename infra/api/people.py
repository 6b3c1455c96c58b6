"""Invitations, sign-in locks and own sessions over the management API."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.generics import ListAPIView
from rest_framework.permissions import BasePermission
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import browser_sessions, invitations, lockouts
from infra.api.authentication import IsKnownActor, actor_of
from infra.api.bodies import ReasonIn, checked
from infra.models import Invitation, SignInFailures, User
from infra.roles import Role


class InvitationIn(serializers.Serializer):
    """Who is asked in."""

    name = serializers.CharField(max_length=200)
    email = serializers.EmailField()
    roles = serializers.ListField(
        child=serializers.ChoiceField(choices=[role.value for role in Role]), max_length=20
    )


class InvitationOut(serializers.ModelSerializer):
    """An invitation; the link is in none of these."""

    invited_by = serializers.CharField(source="invited_by.name", default=None, read_only=True)
    accepted_by = serializers.CharField(source="accepted_by.username", default=None, read_only=True)
    state = serializers.CharField(read_only=True)

    class Meta:
        model = Invitation
        fields = (
            "id",
            "name",
            "email",
            "roles",
            "state",
            "invited_by",
            "created_at",
            "expires_at",
            "accepted_at",
            "accepted_by",
            "revoked_at",
        )
        read_only_fields = fields


class InvitationMadeOut(serializers.Serializer):
    """A new invitation with its link, which is told here alone."""

    invitation = InvitationOut()
    link = serializers.CharField()
    not_sent = serializers.CharField(help_text="Why no mail went; empty when it did.")


class Invitations(ListAPIView):
    """All invitations, newest first; POST makes one."""

    serializer_class = InvitationOut
    queryset = Invitation.objects.select_related("invited_by", "accepted_by")

    @extend_schema(request=InvitationIn, responses={201: InvitationMadeOut})
    def post(self, request: Request) -> Response:
        data = checked(InvitationIn, request.data)
        roles = [Role(role) for role in data["roles"]]
        row, token = invitations.invite(
            actor=actor_of(request), email=data["email"], name=data["name"], roles=roles
        )
        body = {
            "invitation": InvitationOut(row).data,
            "link": invitations.link_of(token),
            "not_sent": invitations.send_invitation(row, token),
        }
        return Response(body, status=201, headers={"Cache-Control": "no-store"})


class RevokeInvitation(APIView):
    """Takes an open invitation back."""

    @extend_schema(request=ReasonIn, responses=InvitationOut)
    def post(self, request: Request, invitation_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        row = invitations.revoke_invitation(
            actor=actor_of(request), invitation_id=invitation_id, **data
        )
        return Response(InvitationOut(row).data)


class SignInLockOut(serializers.ModelSerializer):
    """A login or an address that is locked now."""

    class Meta:
        model = SignInFailures
        fields = ("kind", "subject", "n_failed", "ends_at")
        read_only_fields = fields


class LiftIn(ReasonIn):
    """Which lock."""

    kind = serializers.CharField(max_length=10)
    subject = serializers.CharField(max_length=160)


class SignInLocks(ListAPIView):
    """What failed sign-ins have locked."""

    serializer_class = SignInLockOut

    def get_queryset(self) -> QuerySet[SignInFailures]:
        return lockouts.locks()


class LiftSignInLock(APIView):
    """Opens a login or an address again."""

    @extend_schema(request=LiftIn, responses=SignInLockOut)
    def post(self, request: Request) -> Response:
        data = checked(LiftIn, request.data)
        return Response(SignInLockOut(lockouts.lift_lock(actor=actor_of(request), **data)).data)


class IsPerson(BasePermission):
    """For what a browser's session alone has."""

    def has_permission(self, request: Request, view: Any) -> bool:
        return isinstance(request.user, User)


class OwnSessionOut(serializers.Serializer):
    """One place where the caller is signed in."""

    id = serializers.IntegerField()
    device = serializers.CharField()
    address = serializers.CharField()
    began_at = serializers.DateTimeField()
    last_seen_at = serializers.DateTimeField()
    is_this_one = serializers.BooleanField()


class OwnSessions(APIView):
    """Where the signed-in person is signed in; keys have no sessions."""

    permission_classes = [IsKnownActor, IsPerson]

    @extend_schema(responses=OwnSessionOut(many=True))
    def get(self, request: Request) -> Response:
        key = request._request.session.session_key
        found = browser_sessions.sessions_of(request.user, key)
        return Response(OwnSessionOut(found, many=True).data)


class EndOwnSession(APIView):
    """Signs the caller out there."""

    permission_classes = [IsKnownActor, IsPerson]

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, session_id: int) -> Response:
        if session_id >= 2**63:
            raise exceptions.NotFound()
        browser_sessions.end_session(
            actor=actor_of(request), login=request.user, session_id=session_id
        )
        return Response(status=204)


class EndOtherSessions(APIView):
    """Signs the caller out everywhere but here."""

    permission_classes = [IsKnownActor, IsPerson]

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        browser_sessions.end_other_sessions(
            actor=actor_of(request),
            login=request.user,
            this_key=request._request.session.session_key,
        )
        return Response(status=204)
