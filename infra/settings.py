"""The only settings file. With no environment set, everything runs embedded under `.slipway/`."""

from __future__ import annotations

from datetime import timedelta
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import parse_qsl, unquote, urlsplit

from csp.constants import NONCE, NONE, SELF
from django.core.exceptions import ImproperlyConfigured

import alpha.states
import evals.judge_endpoints
import evals.states
import evals.training.contract
import infra.brief.contract
import infra.delivery_states
import infra.notifications.kinds
import infra.search.kinds
import releases.states
from infra import embedded, mail_server
from infra.console.look import UNFOLD as UNFOLD
from infra.environment import flag, number, text
from infra.oidc_settings import origin_of, single_sign_on
from infra.roles import mfa_roles

PROJECT_DIR = Path(__file__).resolve().parent.parent
STATE_DIR = embedded.state_dir()
EMBEDDED = not text("SLIPWAY_DATABASE_URL")


def secret(variable: str, name: str) -> str:
    """A secret from the environment, or one kept in the state folder when running embedded."""
    value = text(variable)
    if value:
        return value
    if not EMBEDDED:
        raise ImproperlyConfigured(
            f"{variable} is not set. With SLIPWAY_DATABASE_URL set, Slipway makes no secret of its "
            f"own: set {variable} to at least 50 random characters, the same on every machine."
        )
    return embedded.secret(name)


SECRET_KEY = secret("SLIPWAY_SECRET_KEY", "secret.key")
AUDIT_KEY = secret("SLIPWAY_AUDIT_KEY", "audit.key")
KEY_PEPPER = secret("SLIPWAY_KEY_PEPPER", "key_pepper.key")
TRANSCRIPT_KEY = secret("SLIPWAY_TRANSCRIPT_KEY", "transcript.key")


def token(variable: str, n_least: int = 24) -> str:
    """What callers have to show, "" for nobody; ImproperlyConfigured where it could be guessed."""
    value = text(variable)
    if value and (len(value) < n_least or not value.isascii() or not value.isprintable()):
        raise ImproperlyConfigured(
            f"{variable} must be at least {n_least} printable ASCII characters, random ones: "
            "`openssl rand -hex 24` makes such."
        )
    return value


# Who may read /metrics; without it there is no such page.
METRICS_TOKEN = token("SLIPWAY_METRICS_TOKEN")

DEBUG = flag("SLIPWAY_DEBUG")
ALLOWED_HOSTS = [h for h in text("SLIPWAY_HOSTS", "127.0.0.1,localhost,[::1]").split(",") if h]
CSRF_TRUSTED_ORIGINS = [o for o in text("SLIPWAY_ORIGINS").split(",") if o]
BASE_URL = text("SLIPWAY_BASE_URL", "http://127.0.0.1:8000")
SECURE = BASE_URL.startswith("https://")

INSTALLED_APPS = [
    "infra.console",
    "unfold",
    # Before ours: what these register in the admin is taken out of it there.
    "allauth",
    "allauth.account",
    "allauth.socialaccount",
    "allauth.socialaccount.providers.openid_connect",
    "allauth.mfa",
    "allauth.usersessions",
    "infra",
    "releases",
    "alpha",
    "evals",
    "django.contrib.admin",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.contrib.postgres",
    "pgtrigger",
    "csp",
    "rest_framework",
    "drf_spectacular",
    "drf_spectacular_sidecar",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "infra.compression.CompressedStatic",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "csp.middleware.CSPMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "infra.required_factors.SignedInMiddleware",
]

ROOT_URLCONF = "infra.urls"
ASGI_APPLICATION = "infra.asgi.application"

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "csp.context_processors.nonce",
            ],
        },
    },
]

# The application's role owns nothing; the owner's migrates (`SLIPWAY_DATABASE_ROLE=owner`).
DATABASE_ROLE = text("SLIPWAY_DATABASE_ROLE", "app")
APP_ROLE = text("SLIPWAY_APP_ROLE", "slipway_app")


def database_url(role: str) -> str:
    """The URL by which `role` (app or owner) reaches PostgreSQL."""
    if EMBEDDED:
        return embedded.database_url(role)
    owner_url = text("SLIPWAY_OWNER_DATABASE_URL")
    if role == "owner" and owner_url:
        return owner_url
    return text("SLIPWAY_DATABASE_URL")


def database(url: str) -> dict[str, object]:
    """A `DATABASES` entry from `postgresql://user:password@host:port/name?host=/socket/folder`."""
    parts = urlsplit(url)
    if parts.scheme not in {"postgresql", "postgres"} or not parts.path.strip("/"):
        raise ImproperlyConfigured(
            "SLIPWAY_DATABASE_URL must look like postgresql://user:password@host:5432/slipway."
        )
    options: dict[str, object] = dict(parse_qsl(parts.query))
    host = str(options.pop("host", "") or unquote(parts.hostname or ""))
    port = str(options.pop("port", "") or parts.port or "")
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.strip("/")),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": host,
        "PORT": port,
        "CONN_MAX_AGE": 60,
        "CONN_HEALTH_CHECKS": True,
        "OPTIONS": options,
    }


DATABASES = {"default": database(database_url(DATABASE_ROLE))}
REDIS_URL = text("SLIPWAY_REDIS_URL") or embedded.redis_url()
ARTIFACTS = text("SLIPWAY_ARTIFACTS", f"file://{STATE_DIR / 'objects'}")
# Folders below which `file://` artifacts may lie; that of the objects is always one. Embedded, who
# registers checkpoints is who owns the machine.
FILE_ROOTS = [Path(p) for p in text("SLIPWAY_FILE_ROOTS", "/" if EMBEDDED else "").split(":") if p]


def networks(variable: str, default: str = "") -> list[object]:
    """Networks such as `10.0.0.0/8,fd00::/8`; ImproperlyConfigured for one that is none."""
    try:
        return [ip_network(part.strip()) for part in text(variable, default).split(",") if part]
    except ValueError as error:
        raise ImproperlyConfigured(f"{variable}: {error}; write such as 10.0.0.0/8.") from error


# Networks that are not public and that webhooks may reach all the same. Embedded, who adds
# endpoints is who owns the machine.
WEBHOOK_NETWORKS = networks("SLIPWAY_WEBHOOK_NETWORKS", "127.0.0.0/8,::1/128" if EMBEDDED else "")

# One URL, or host and the rest; embedded, mails are files until there is a server.
_MAIL = (
    mail_server.from_url(text("SLIPWAY_EMAIL_URL"))
    if text("SLIPWAY_EMAIL_URL") or not text("SLIPWAY_EMAIL_HOST")
    else mail_server.from_parts(
        text("SLIPWAY_EMAIL_HOST"),
        int(number("SLIPWAY_EMAIL_PORT", 587)),
        text("SLIPWAY_EMAIL_USER"),
        text("SLIPWAY_EMAIL_PASSWORD"),
        text("SLIPWAY_EMAIL_SECURITY", "starttls"),
    )
)
if EMBEDDED and not _MAIL.is_on:
    _MAIL = mail_server.from_url((STATE_DIR / "mail").as_uri())
EMAIL_IS_ON = _MAIL.is_on
EMAIL_BACKEND = _MAIL.backend or "django.core.mail.backends.dummy.EmailBackend"
EMAIL_FILE_PATH = _MAIL.folder or None
EMAIL_HOST, EMAIL_PORT = _MAIL.host, _MAIL.port
EMAIL_HOST_USER, EMAIL_HOST_PASSWORD = _MAIL.user, _MAIL.password
EMAIL_USE_TLS, EMAIL_USE_SSL = _MAIL.use_tls, _MAIL.use_ssl
EMAIL_TIMEOUT = mail_server.TIMEOUT_S
DEFAULT_FROM_EMAIL = SERVER_EMAIL = text("SLIPWAY_EMAIL_FROM", "Slipway <slipway@localhost>")
# When the morning's Brief goes out, and where that morning is.
BRIEF_AT = text("SLIPWAY_BRIEF_AT", "07:00")
BRIEF_ZONE = text("SLIPWAY_BRIEF_ZONE", "UTC")

AUTH_USER_MODEL = "infra.User"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LOGIN_URL = "admin:login"
LOGIN_REDIRECT_URL = "admin:index"
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE
SECURE_HSTS_SECONDS = 31_536_000 if SECURE else 0
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
PASSWORD_HASHERS = ["django.contrib.auth.hashers.ScryptPasswordHasher"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator"},
    {"NAME": "django.contrib.auth.password_validation.CommonPasswordValidator"},
]

# Sign-in (docs/signing-in.md): django-allauth's parts for it, and nothing of its sign-up.
REAUTHENTICATE_WITHIN_S = int(number("SLIPWAY_REAUTHENTICATE_WITHIN_S", 12 * 3600))
# Failed sign-ins of one login, or from one address, that lock it, and for how long.
LOCKOUT_AFTER = int(number("SLIPWAY_LOCKOUT_AFTER", 5))
LOCKOUT_ADDRESS_AFTER = int(number("SLIPWAY_LOCKOUT_ADDRESS_AFTER", 50))
LOCKOUT_S = int(number("SLIPWAY_LOCKOUT_S", 15 * 60))
# Roles that need a second factor; "administrators" is one.
MFA_ROLES = mfa_roles(text("SLIPWAY_MFA_ROLES"))
ACCOUNT_ADAPTER = "infra.accounts.AccountAdapter"
ACCOUNT_LOGIN_METHODS = {"username"}
ACCOUNT_SIGNUP_FIELDS = ["username*", "password1*", "password2*"]
ACCOUNT_EMAIL_VERIFICATION = "none"
# Failures are counted in the database (infra/lockouts.py): exact with several servers.
ACCOUNT_RATE_LIMITS = False
MFA_RATE_LIMITS = False
MFA_ADAPTER = "infra.accounts.SecondFactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_TOTP_TOLERANCE = 1
SOCIALACCOUNT_ADAPTER = "infra.single_sign_on.SingleSignOnAdapter"
SOCIALACCOUNT_EMAIL_VERIFICATION = "none"
SOCIALACCOUNT_PROVIDERS = single_sign_on(REAUTHENTICATE_WITHIN_S)

# Scripts: neither unsafe-inline nor unsafe-eval. Styles: unfold and Alpine set style attributes.
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF, NONCE],
        "style-src": [SELF, "'unsafe-inline'"],
        "img-src": [SELF, "data:"],
        "font-src": [SELF, "data:"],
        "connect-src": [SELF],
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF, *origin_of(SOCIALACCOUNT_PROVIDERS)],
        "frame-ancestors": [NONE],
    }
}

STATIC_URL = "/static/"
STATICFILES_DIRS = [("vendor", PROJECT_DIR / "infra" / "vendor" / "files")]
WHITENOISE_USE_FINDERS = True
WHITENOISE_AUTOREFRESH = False

LANGUAGE_CODE = "en"
TIME_ZONE = "UTC"
USE_TZ = True
# The largest body of the management API: a suite of thousands of cases fits.
DATA_UPLOAD_MAX_MEMORY_SIZE = 8 * 2**20
USE_I18N = False
FORMAT_MODULE_PATH = "infra.console.formats"

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "infra.api.authentication.ServiceKeyAuthentication",
        "infra.api.authentication.ConsoleSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["infra.api.authentication.IsKnownActor"],
    "DEFAULT_PARSER_CLASSES": ["rest_framework.parsers.JSONParser"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "DEFAULT_SCHEMA_CLASS": "infra.api.schema.SlipwaySchema",
    "EXCEPTION_HANDLER": "infra.api.refusals.handle_exception",
    "DEFAULT_PAGINATION_CLASS": "infra.api.pages.Pages",
    "PAGE_SIZE": 100,
    "UNAUTHENTICATED_USER": None,
    "DATETIME_FORMAT": "iso-8601",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Slipway management API",
    "DESCRIPTION": "Checkpoints, evals, promotions, partners and audit.",
    "VERSION": "1",
    "SERVE_INCLUDE_SCHEMA": False,
    "COMPONENT_SPLIT_REQUEST": True,
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "SERVE_AUTHENTICATION": None,
    "SERVE_PERMISSIONS": ["rest_framework.permissions.AllowAny"],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
    "ENUM_NAME_OVERRIDES": {
        "HealthState": ["ready", "database_unreachable"],
        "NotificationKind": [kind.value for kind in infra.notifications.kinds.Kind],
        "NotificationWay": [way.value for way in infra.notifications.kinds.Way],
        "MailState": [state.value for state in infra.notifications.kinds.MailState],
        "HitKind": [kind.value for kind in infra.search.kinds.HitKind],
        "BriefTone": [tone.value for tone in infra.brief.contract.Tone],
        "BriefAnswer": [answer.value for answer in infra.brief.contract.Answer],
        **{
            lifecycle.__name__: [state.value for state in lifecycle]
            for lifecycle in (
                releases.states.PromotionState,
                releases.states.ReleaseState,
                releases.states.DeploymentState,
                releases.states.CheckpointKind,
                alpha.states.FeedbackState,
                alpha.states.FindingState,
                alpha.states.NoticeKind,
                alpha.states.PreferenceState,
                alpha.states.Choice,
                evals.states.RunState,
                evals.states.ProbeState,
                evals.states.PairState,
                evals.states.ProbeVerdict,
                evals.states.HypothesisSource,
                evals.states.RunSource,
                evals.states.CaseSource,
                evals.states.ReplaySource,
                infra.delivery_states.DeliveryState,
                evals.states.ResultState,
                evals.states.VersionState,
                evals.training.contract.TrainingKind,
            )
        },
    },
}

CELERY_BROKER_URL = embedded.broker_url(REDIS_URL)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 3600}
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_TASK_TIME_LIMIT = None
# Eval runs take minutes; what moves releases must never wait behind them.
CELERY_TASK_ROUTES = {
    "evals.run_shard": {"queue": "runs"},
    # Waits for upstreams.
    "releases.confirm_identities": {"queue": "runs"},
}
CELERY_TIMEZONE = "UTC"
CELERY_BEAT_SCHEDULE_FILENAME = str(STATE_DIR / "beat-schedule")
CELERY_BEAT_SCHEDULE = {
    "releases.advance": {"task": "releases.advance", "schedule": timedelta(seconds=5)},
    # A look that nobody could take in time is worth nothing: the next one sees more.
    "releases.watch": {
        "task": "releases.watch",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 10},
    },
    "releases.confirm_identities": {
        "task": "releases.confirm_identities",
        "schedule": timedelta(seconds=60),
        "options": {"expires": 55},
    },
    "evals.grade_live": {
        "task": "evals.grade_live",
        "schedule": timedelta(minutes=10),
        "options": {"expires": 540},
    },
    "releases.observe_forecasts": {
        "task": "releases.observe_forecasts",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 240},
    },
    "alpha.close_batches": {"task": "alpha.close_batches", "schedule": timedelta(seconds=3)},
    "alpha.sweep": {"task": "alpha.sweep", "schedule": timedelta(seconds=30)},
    "evals.sweep": {
        "task": "evals.sweep",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 10},
    },
    "evals.look_at_early_stops": {
        "task": "evals.look_at_early_stops",
        "schedule": timedelta(seconds=2),
        "options": {"expires": 4},
    },
    "evals.conclude_probes": {"task": "evals.conclude_probes", "schedule": timedelta(seconds=5)},
    "evals.report_run_sets": {"task": "evals.report_run_sets", "schedule": timedelta(seconds=5)},
    "evals.measure": {
        "task": "evals.measure",
        "schedule": timedelta(seconds=30),
        "options": {"expires": 25},
    },
    "evals.drop_uploads": {"task": "evals.drop_uploads", "schedule": timedelta(hours=1)},
    "infra.deliver_webhooks": {
        "task": "infra.deliver_webhooks",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "infra.notify": {
        "task": "infra.notify",
        "schedule": timedelta(seconds=5),
        "options": {"expires": 5},
    },
    "infra.write_briefs": {
        "task": "infra.write_briefs",
        "schedule": timedelta(minutes=1),
        "options": {"expires": 50},
    },
    "infra.look_ahead": {
        "task": "infra.look_ahead",
        "schedule": timedelta(minutes=5),
        "options": {"expires": 240},
    },
    "infra.drop_sign_in_failures": {
        "task": "infra.drop_sign_in_failures",
        "schedule": timedelta(hours=1),
        "options": {"expires": 3000},
    },
    "infra.anchor_audit": {"task": "infra.anchor_audit", "schedule": timedelta(seconds=60)},
}

# Evidence reaches `releases` without being imported by it: each path names a source class.
EVIDENCE_SOURCES = [
    "releases.evidence.ArtifactEvidence",
    "releases.evidence.SoakEvidence",
    "releases.evidence.AnswerEvidence",
    "evals.evidence.EvalEvidence",
    "evals.replay_evidence.ReplayEvidence",
    "alpha.evidence.LiveEvidence",
    "alpha.preference_evidence.PreferenceEvidence",
]

# Who predicts what a stage will see, and observes it there afterwards: each path names a class.
FORECAST_SOURCES = [
    "alpha.forecasts.TrafficForecasts",
    "alpha.preference_forecasts.PreferenceForecasts",
    "evals.forecasts.ReplayForecasts",
]

# Who knows the names in pipeline files, and what gates can settle: each path names a class.
POLICY_SOURCES = [
    "releases.services.policy_sources.ReleaseNames",
    "alpha.policy.TrafficPolicy",
    "evals.policy.SuitePolicy",
]

# Who was served by which release, and who had access when: a class that `releases` does not know.
EXPOSURE_SOURCE = "alpha.history.PartnerExposures"

# Which components probes have isolated for a finding: functions from its id to rows with
# `component` and `probe_id`. Without one nothing is isolated.
ISOLATION_SOURCES = ["evals.selectors.probes.isolated_components"]

# Who counts the requests that a release served: `releases` knows of none itself.
EXPOSURE_COUNTER = "alpha.selectors.requests_served"

# What people are told: functions from one audit entry, and from a moment, to facts.
NOTIFICATION_SOURCES = [
    "releases.notifications.told_by",
]
LOOK_AHEAD_SOURCES = [
    "releases.notifications.ahead",
    "alpha.notifications.ahead",
    "evals.notifications.ahead",
    "infra.notifications.own.ahead",
]

# What /metrics/product tells: functions from a moment to gauges.
GAUGE_SOURCES = [
    "infra.gauges.gauges",
    "releases.gauges.gauges",
    "alpha.gauges.gauges",
    "evals.gauges.gauges",
]

# The brief is composed of parts: functions of `infra.brief.contract.Asked`, in this order; and of
# what each app calls news in the audit log.
BRIEF_SECTIONS = [
    "releases.brief.part",
    "evals.brief.part",
    "alpha.brief.part",
    "infra.brief.keys.part",
]
BRIEF_VOCABULARIES = [
    "releases.brief.vocabulary.VOCABULARY",
    "evals.brief.vocabulary.VOCABULARY",
    "alpha.brief.vocabulary.VOCABULARY",
    "infra.brief.keys.VOCABULARY",
]
# What search finds: functions from `infra.search.contract.Sought` to hits.
SEARCH_SOURCES = [
    "infra.console.search_targets.actions",
    "infra.console.search_targets.pages",
    "releases.search.checkpoints",
    "releases.search.found_promotions",
    "releases.search.stages",
    "evals.search.suites",
    "evals.search.found_runs",
    "alpha.search.partners",
    "alpha.search.findings",
    "alpha.search.calls",
    "alpha.search.remarks",
]
# Sentences at the head of every page; each function brings one, or None.
SHELL_NOTES = ["releases.console.sections.line_is_stopped"]
# Facts that pages show while they change: functions from ids to facts, by the topic's kind.
LIVE_SOURCES = {
    "run": "evals.console.live.runs",
    "run_set": "evals.console.live.run_sets",
    "stage": "releases.console.live.stages",
}
CHECKPOINT_SECTIONS = [
    "evals.console.sections.runs_of_checkpoint",
    "alpha.console.sections.served_to",
]
PROMOTION_SECTIONS = ["evals.console.sections.scores_of_both"]
STAGE_SECTIONS = ["alpha.console.sections.who_may_call"]

# Models that graders may ask, beside deployed checkpoints.
JUDGE_ENDPOINTS = evals.judge_endpoints.parse(text(evals.judge_endpoints.VARIABLE))

DEMO = flag("SLIPWAY_DEMO", default=True)

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {"line": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s"}},
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "line"}},
    "root": {"handlers": ["console"], "level": text("SLIPWAY_LOG_LEVEL", "INFO")},
    "loggers": {
        "django.request": {"level": "ERROR"},
        # The openai SDK's transport tells of every call.
        "httpx": {"level": "WARNING"},
        "httpx2": {"level": "WARNING"},
    },
}
