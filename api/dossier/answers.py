"""The answers of dossiers and their keys."""

from __future__ import annotations

from api.dossier.builder import MEDIA_TYPE
from api.dossier.models import JsonWebKeySet
from api.http.answers import Answer

DOSSIER = Answer(
    model=bytes,
    description="The dossier: a ZIP archive with a signed manifest.",
    media_type=MEDIA_TYPE,
    headers={"ETag": "SHA-256 of the file, hex, in quotes.", "Content-Disposition": "A name for the file."},
)
KEYS = Answer(
    model=JsonWebKeySet,
    description="A JSON Web Key Set with the public key.",
    media_type="application/jwk-set+json",
)
