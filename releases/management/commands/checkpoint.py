"""`manage.py checkpoint register FILE | list | show NAME`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from infra import clock
from infra.cli import SlipwayCommand, add_actions
from infra.errors import InvalidInput
from releases.documents import Document, read_documents, read_json, refuse
from releases.models import Checkpoint, Deployment, Price
from releases.selectors import checkpoints as selectors
from releases.services.checkpoints import register_document

LIST_LIMIT = 200


class Command(SlipwayCommand):
    help = "Registers checkpoints and shows them."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        actions = {"register": _register, "list": _list, "show": _show}
        add_actions(parser, actions)

    def run(self, **options: Any) -> Any:
        return getattr(self, f"run_{options['action']}")(options)

    def run_register(self, options: dict[str, Any]) -> Any:
        actor = self.actor(options)
        registered = []
        for document in read_file(Path(options["file"])):
            done = register_document(actor=actor, document=document)
            self._say_registered(done.checkpoint, done.created)
            for deployment in done.deployments:
                self.say(f"  answers at {deployment.base_url} as {deployment.upstream_model}")
            for price in done.prices:
                self.say(f"  costs {_price_text(price)}")
            registered.append(_as_dict(done.checkpoint) | {"created": done.created})
        return registered if len(registered) > 1 else registered[0]

    def _say_registered(self, checkpoint: Checkpoint, created: bool) -> None:
        n_bytes = sum(file["size"] for file in checkpoint.manifest)
        files = f"{len(checkpoint.manifest)} files, {n_bytes:,} bytes, every byte verified"
        if created:
            self.say(f"Registered {checkpoint.name} ({files})", self.style.SUCCESS)
        else:
            self.say(f"{checkpoint.name} is registered already, with the same content ({files})")
        self.say(f"  digest {checkpoint.checkpoint_digest}")

    def run_list(self, options: dict[str, Any]) -> Any:
        found = selectors.checkpoints(options["family"], options["size"])
        rows = list(found[:LIST_LIMIT])
        for row in rows:
            made = f"{row.kind} of {row.parent.name}" if row.parent else row.kind
            when = f"{row.registered_at:%Y-%m-%d %H:%M}"
            self.say(f"{when}  {row.name:<32} {row.family.name}/{row.size:<10} {made}")
        if not rows:
            self.say("No checkpoint is registered yet: `manage.py checkpoint register FILE`.")
        n_more = found.count() - len(rows) if len(rows) == LIST_LIMIT else 0
        if n_more:
            self.say(f"… and {n_more} older ones; narrow with --family or --size.")
        return [_as_dict(row) for row in rows]

    def run_show(self, options: dict[str, Any]) -> Any:
        checkpoint = selectors.checkpoint_named(options["name"])
        deployments = list(checkpoint.deployments.all())
        price = selectors.price_at(checkpoint.pk, clock.now())
        self._say_checkpoint(checkpoint)
        for deployment in deployments:
            self.say(f"deployment   {_deployment_text(deployment)}")
        self.say(f"price        {_price_text(price) if price else 'none yet'}")
        for release in selectors.current_releases(checkpoint.pk):
            self.say(f"live         {release.stage} as {release.arm}, {release.share} %")
        return _as_dict(checkpoint) | {
            "serving": checkpoint.serving,
            "manifest": checkpoint.manifest,
            "deployments": [_deployment_dict(deployment) for deployment in deployments],
            "price": _price_text(price) if price else None,
        }

    def _say_checkpoint(self, checkpoint: Checkpoint) -> None:
        made = f" of {checkpoint.parent.name}" if checkpoint.parent else ""
        prompt = checkpoint.serving.get("system_prompt") or "none"
        self.say(f"checkpoint   {checkpoint.name} ({checkpoint.family.name}, {checkpoint.size})")
        self.say(f"made by      {checkpoint.kind}{made}, owner {checkpoint.owner}")
        self.say(f"registered   {checkpoint.registered_at:%Y-%m-%d %H:%M} UTC")
        self.say(f"digest       {checkpoint.checkpoint_digest}")
        self.say(f"artifact     {checkpoint.artifact_uri}")
        for file in checkpoint.manifest[:20]:
            self.say(f"  {file['sha256'][:12]}…  {file['size']:>15,}  {file['path']}")
        if len(checkpoint.manifest) > 20:
            self.say(f"  … and {len(checkpoint.manifest) - 20} more files (--json shows all)")
        self.say(f"context      {checkpoint.context_window:,} tokens")
        self.say(f"system text  {prompt if len(prompt) <= 100 else f'{prompt[:97]}…'}")
        self.say(f"sampling     {checkpoint.serving.get('sampling') or 'as the upstream does'}")


def read_file(path: Path) -> list[Document]:
    """The documents of a JSON or YAML file; InvalidInput with every mistake of its text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInput("bad_file", f"{path} can't be read: {error}.") from error
    read = read_json if path.suffix == ".json" else read_documents
    documents, problems = read(text, path.name)
    refuse("invalid_document", path.name, problems)
    return documents


def _as_dict(checkpoint: Checkpoint) -> dict[str, Any]:
    names = "name size kind artifact_uri manifest_digest checkpoint_digest context_window".split()
    return {name: getattr(checkpoint, name) for name in names} | {
        "family": checkpoint.family.name,
        "owner": checkpoint.owner.email,
        "parent": checkpoint.parent.name if checkpoint.parent else None,
        "registered_at": checkpoint.registered_at.isoformat(),
    }


def _deployment_dict(deployment: Deployment) -> dict[str, Any]:
    names = "id base_url upstream_model secret_ref weight state fingerprint".split()
    return {name: getattr(deployment, name) for name in names}


def _deployment_text(deployment: Deployment) -> str:
    probed = "probed" if deployment.fingerprint else "not probed"
    return (
        f"{deployment.base_url} as {deployment.upstream_model}, weight {deployment.weight}, "
        f"{deployment.state}, {probed} ({deployment.pk})"
    )


def _price_text(price: Price) -> str:
    parts = [
        f"{micros / 1_000_000:g} {price.currency} {what}"
        for what, micros in (
            ("input", price.input_micros_per_million),
            ("cached", price.cached_input_micros_per_million),
            ("output", price.output_micros_per_million),
        )
    ]
    return f"{', '.join(parts)} per million tokens, from {price.effective_at:%Y-%m-%d %H:%M} UTC"


def _register(parser: CommandParser) -> None:
    """Register what FILE describes, with its deployments and prices"""
    parser.add_argument("file", metavar="FILE", help="JSON or YAML")


def _list(parser: CommandParser) -> None:
    """The newest checkpoints"""
    parser.add_argument("--family", default="", help="of this family alone")
    parser.add_argument("--size", default="", help="of this size alone")


def _show(parser: CommandParser) -> None:
    """One checkpoint with its files and deployments"""
    parser.add_argument("name", metavar="NAME")
