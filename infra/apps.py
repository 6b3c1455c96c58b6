from django.apps import AppConfig


class InfraConfig(AppConfig):
    name = "infra"
    verbose_name = "People and audit"
