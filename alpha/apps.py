from django.apps import AppConfig


class AlphaConfig(AppConfig):
    name = "alpha"
    verbose_name = "Alpha"
