from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "infra.console"
    label = "console"
    verbose_name = "Console"
