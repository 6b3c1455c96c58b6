"""The caller's own second factors over the management API; a browser's session alone has them."""

from __future__ import annotations

from typing import Any

from django.urls import path
from drf_spectacular.utils import extend_schema
from rest_framework import exceptions, serializers
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from infra import second_factors
from infra.api.authentication import DECIDES, actor_of
from infra.api.bodies import checked
from infra.api.people import IsPerson


class TotpSecretOut(serializers.Serializer):
    """What an authenticator app is told; it stands here alone."""

    secret = serializers.CharField(help_text="Base 32.")


class TotpCodeIn(serializers.Serializer):
    """What the app shows."""

    code = serializers.CharField(max_length=10)


class RecoveryCodesOut(serializers.Serializer):
    """New recovery codes, shown here alone; empty when there are some already."""

    codes = serializers.ListField(child=serializers.CharField())


class PasskeyIn(serializers.Serializer):
    """A passkey that the browser has just made for this session's challenge."""

    name = serializers.CharField(max_length=100)
    credential = serializers.JSONField(help_text="`PublicKeyCredential.toJSON()`.")


class OwnFactor(APIView):
    """What changes how the caller signs in asks for a recent sign-in."""

    permission_classes = [*DECIDES, IsPerson]

    def whose(self, request: Request) -> dict[str, Any]:
        """Keyword arguments that every service of second factors takes."""
        return {"actor": actor_of(request), "login": request.user}


def _secret(body: dict[str, Any]) -> Response:
    return Response(body, headers={"Cache-Control": "no-store"})


class BeginTotp(OwnFactor):
    """A secret for an authenticator app; nothing is asked for before its first code."""

    @extend_schema(request=None, responses=TotpSecretOut)
    def post(self, request: Request) -> Response:
        session = request._request.session
        secret = second_factors.begin_totp(**self.whose(request), session=session)
        return _secret({"secret": secret})


class TurnOnTotp(OwnFactor):
    """The app is asked from now on."""

    @extend_schema(request=TotpCodeIn, responses=RecoveryCodesOut)
    def post(self, request: Request) -> Response:
        data, session = checked(TotpCodeIn, request.data), request._request.session
        codes = second_factors.turn_on_totp(**self.whose(request), session=session, **data)
        return _secret({"codes": codes})


class TurnOffTotp(OwnFactor):
    """The app is asked no longer."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request) -> Response:
        second_factors.turn_off_totp(**self.whose(request))
        return Response(status=204)


class NewRecoveryCodes(OwnFactor):
    """Ten new codes; the earlier ones are void."""

    @extend_schema(request=None, responses=RecoveryCodesOut)
    def post(self, request: Request) -> Response:
        return _secret({"codes": second_factors.new_recovery_codes(**self.whose(request))})


class AddPasskey(OwnFactor):
    """A passkey that signs in by itself."""

    @extend_schema(request=PasskeyIn, responses=RecoveryCodesOut)
    def post(self, request: Request) -> Response:
        data = checked(PasskeyIn, request.data)
        return _secret({"codes": second_factors.add_passkey(**self.whose(request), **data)})


class RemovePasskey(OwnFactor):
    """That passkey signs in no longer."""

    @extend_schema(request=None, responses={204: None})
    def post(self, request: Request, passkey_id: int) -> Response:
        if passkey_id >= 2**31:
            raise exceptions.NotFound()
        second_factors.remove_passkey(**self.whose(request), passkey_id=passkey_id)
        return Response(status=204)


urlpatterns = [
    path("app/", BeginTotp.as_view(), name="my-app"),
    path("app/on/", TurnOnTotp.as_view(), name="my-app-on"),
    path("app/off/", TurnOffTotp.as_view(), name="my-app-off"),
    path("recovery-codes/", NewRecoveryCodes.as_view(), name="my-recovery-codes"),
    path("passkeys/", AddPasskey.as_view(), name="my-passkeys"),
    path("passkeys/<int:passkey_id>/remove/", RemovePasskey.as_view(), name="my-passkey-remove"),
]
