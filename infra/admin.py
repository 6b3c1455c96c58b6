"""Records of people, keys and the log. Only a superuser edits people and logins."""

from __future__ import annotations

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.db import models
from django.http import HttpRequest
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.widgets import UnfoldAdminCheckboxSelectMultipleWidget

from infra import audit
from infra.models import Person, ServiceKey, User
from infra.people import actor_of_login


class RecordAdmin(ModelAdmin):
    """Rows to read: every change goes through a service, on a page or through the API."""

    compressed_fields = True
    list_per_page = 50
    show_full_result_count = False

    def has_view_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(request.user.is_active and getattr(request.user, "is_staff", False))

    def has_module_permission(self, request: HttpRequest) -> bool:
        return self.has_view_permission(request)

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False

    def has_delete_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return False


class SuperuserAdmin(RecordAdmin):
    """Rows that a superuser adds and edits; nobody deletes them, history names them."""

    def has_add_permission(self, request: HttpRequest, *args: Any) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def has_change_permission(self, request: HttpRequest, obj: models.Model | None = None) -> bool:
        return bool(request.user.is_active and request.user.is_superuser)

    def log_addition(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        """Tell the audit log too; Django calls this in the transaction of the change."""
        _audit(request, "added", obj, message)
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: models.Model, message: Any) -> Any:
        """Likewise."""
        _audit(request, "changed", obj, message)
        return super().log_change(request, obj, message)


def _audit(request: HttpRequest, verb: str, row: models.Model, message: Any) -> None:
    actor = actor_of_login(request.user)  # type: ignore[arg-type]
    actor.must_administer("edit people and logins")
    audit.record(
        actor=actor,
        action=f"{row._meta.verbose_name}.{verb}",
        subject=row,
        after={"fields": message},
    )


for model in (Authenticator, EmailAddress, SocialAccount, SocialApp, SocialToken, UserSession):
    # They hold secrets, or make ways in: what may be done with them stands on pages of its own.
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Person)
class PersonAdmin(SuperuserAdmin):
    list_display = ("name", "email", "created_at", "left_at")
    search_fields = ("name", "email")
    fields = ("name", "email", "left_at")


@admin.register(User)
class LoginAdmin(SuperuserAdmin, UserAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "person", "is_active", "is_superuser", "last_login")
    list_filter = ("groups", "is_active")
    search_fields = ("username", "person__name", "email")
    list_select_related = ("person",)
    fieldsets = (
        (None, {"fields": ("username", "password", "person", "email")}),
        ("What it may do", {"fields": ("is_active", "is_staff", "is_superuser", "groups")}),
        ("When", {"fields": ("last_login", "date_joined")}),
    )
    add_fieldsets = (
        (
            None,
            {
                "fields": (
                    "username",
                    "person",
                    "email",
                    "is_staff",
                    "groups",
                    "password1",
                    "password2",
                )
            },
        ),
    )
    readonly_fields = ("last_login", "date_joined")
    # The two lists with arrows between them hide from the keyboard what is not chosen.
    filter_horizontal = ()
    formfield_overrides = {
        models.ManyToManyField: {"widget": UnfoldAdminCheckboxSelectMultipleWidget}
    }


@admin.register(ServiceKey)
class ServiceKeyAdmin(RecordAdmin):
    list_display = (
        "name",
        "public",
        "scopes",
        "created_by",
        "created_at",
        "expires_at",
        "revoked_at",
    )
    search_fields = ("name", "public")
    list_select_related = ("created_by",)
    exclude = ("digest",)
