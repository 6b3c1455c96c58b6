from importlib import import_module

from django.apps import AppConfig


class InfraConfig(AppConfig):
    name = "infra"
    verbose_name = "People and audit"

    def ready(self) -> None:
        """Importing the checks registers them."""
        import_module("infra.checks")
