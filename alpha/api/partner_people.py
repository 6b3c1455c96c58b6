"""People of partners: invited, listed, shut out; and whether they handle keys themselves."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from django.urls import reverse
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from alpha import selectors
from alpha.api.partners import PartnerOut
from alpha.models import PartnerInvitation, PartnerLogin
from alpha.services import partner_logins
from infra.api.authentication import actor_of
from infra.api.bodies import ReasonIn, checked


class PartnerPersonOut(serializers.ModelSerializer):
    class Meta:
        model = PartnerLogin
        fields = ("id", "name", "email", "created_at", "signed_in_at", "ended_at", "end_reason")
        read_only_fields = fields


class PartnerInvitationIn(serializers.Serializer):
    email = serializers.EmailField(max_length=254)
    days = serializers.IntegerField(
        min_value=1, max_value=partner_logins.MOST_DAYS, required=False, default=7
    )


class PartnerInvitationOut(serializers.ModelSerializer):
    class Meta:
        model = PartnerInvitation
        fields = ("id", "email", "created_at", "expires_at", "withdrawn_at", "used_at")
        read_only_fields = fields


class PartnerInvitationLinkOut(PartnerInvitationOut):
    """The only time the link is told."""

    link = serializers.CharField(read_only=True)

    class Meta(PartnerInvitationOut.Meta):
        fields = (*PartnerInvitationOut.Meta.fields, "link")
        read_only_fields = fields


class KeyRightIn(serializers.Serializer):
    may = serializers.BooleanField()
    reason = serializers.CharField(max_length=4000)


class PartnerPeople(APIView):
    """The people of a partner, with those who were shut out."""

    @extend_schema(responses=PartnerPersonOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        people = selectors.partner_named(name).people.all()
        return Response(PartnerPersonOut(people, many=True).data)


class EndPartnerPerson(APIView):
    """Shuts the person out at once."""

    @extend_schema(request=ReasonIn, responses=PartnerPersonOut)
    def post(self, request: Request, login_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        login = get_object_or_404(PartnerLogin.objects.select_related("partner"), pk=login_id)
        partner_logins.end_login(actor=actor_of(request), login=login, **data)
        return Response(PartnerPersonOut(PartnerLogin.objects.get(pk=login_id)).data)


class PartnerInvitations(APIView):
    """A partner's invitations; a new one by POST, its link told this once."""

    @extend_schema(responses=PartnerInvitationOut(many=True))
    def get(self, request: Request, name: str) -> Response:
        made = selectors.partner_named(name).invitations.all()
        return Response(PartnerInvitationOut(made, many=True).data)

    @extend_schema(request=PartnerInvitationIn, responses={201: PartnerInvitationLinkOut})
    def post(self, request: Request, name: str) -> Response:
        data = checked(PartnerInvitationIn, request.data)
        made, secret = partner_logins.invite(
            actor=actor_of(request),
            partner=selectors.partner_named(name),
            email=data["email"],
            lasts=timedelta(days=data["days"]),
        )
        link = request.build_absolute_uri(reverse("partner-invitation", args=[secret]))
        return Response({**PartnerInvitationOut(made).data, "link": link}, status=201)


class WithdrawInvitation(APIView):
    """Closes the link."""

    @extend_schema(request=ReasonIn, responses=PartnerInvitationOut)
    def post(self, request: Request, invitation_id: UUID) -> Response:
        data = checked(ReasonIn, request.data)
        found = PartnerInvitation.objects.select_related("partner")
        invitation = get_object_or_404(found, pk=invitation_id)
        partner_logins.withdraw_invitation(actor=actor_of(request), invitation=invitation, **data)
        return Response(PartnerInvitationOut(PartnerInvitation.objects.get(pk=invitation_id)).data)


class PartnerKeyRight(APIView):
    """Whether the partner's own people issue, rotate and revoke its keys."""

    @extend_schema(request=KeyRightIn, responses=PartnerOut)
    def post(self, request: Request, name: str) -> Response:
        data = checked(KeyRightIn, request.data)
        partner = selectors.partner_named(name)
        partner_logins.let_issue_keys(actor=actor_of(request), partner=partner, **data)
        return Response(PartnerOut(selectors.partner_named(name)).data)
