"""Files that wait for the person who sent them to say that they are to be imported."""

from __future__ import annotations

from django.db import models

from evals.states import UploadKind
from infra.ids import uuid7
from infra.models import Person
from releases.models import Checkpoint


class Upload(models.Model):
    """One suite or one log in the files of its tool; gone once it is imported or dropped."""

    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    kind = models.CharField(max_length=10, choices=[(k.value, k.value) for k in UploadKind])
    format = models.CharField(max_length=40)
    suite = models.CharField(max_length=80, blank=True, help_text="Blank: as the log names it.")
    checkpoint = models.ForeignKey(Checkpoint, on_delete=models.CASCADE, null=True)
    main = models.CharField(max_length=500, blank=True)
    files = models.JSONField(help_text="Names and sizes, in the order of `content`.")
    content = models.BinaryField(help_text="All files, one after another, as zstd.")
    foreseen = models.JSONField(help_text="What the import would do, as it was read when sent.")
    sent_by = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="uploads")
    created_at = models.DateTimeField()

    class Meta:
        db_table = "import_upload"
        ordering = ["-created_at"]
        indexes = [
            # What a person has yet to decide, and the sweep of what nobody decided.
            models.Index(fields=["sent_by", "-created_at"], name="import_upload_of_person"),
            models.Index(fields=["created_at"], name="import_upload_age"),
        ]

    def __str__(self) -> str:
        return f"{self.format}: {', '.join(name for name, _ in self.files)}"
