"""Examples of dossiers and their keys."""

from __future__ import annotations

from api.http.openapi_examples import Responses, problem_example, response_example

DOSSIER: Responses = {
    200: {
        "description": "The dossier: a ZIP archive with a signed manifest.",
        "content": {
            "application/zip": {
                "schema": {"type": "string", "format": "binary"},
                "example": "PK… (README.txt, events.jsonl, manifest.json, manifest.jws, messages.jsonl …)",
            }
        },
        "headers": {
            "ETag": {
                "description": "SHA-256 of the file, hex, in quotes.",
                "schema": {"type": "string"},
            }
        },
    },
    **problem_example(
        400,
        "It cannot be made of what is stored.",
        "Bad Request",
        "version 3 of the rule 'high-water' is not stored: the alarm cannot be evaluated again",
    ),
    **problem_example(
        503,
        "No key is configured, two are being made already, or the database does not answer.",
        "Service Unavailable",
        "Two dossiers are being made; ask again in 10 s.",
    ),
}

KEYS = response_example(
    "A JSON Web Key Set with the public key.",
    {
        "keys": [
            {
                "alg": "EdDSA",
                "crv": "Ed25519",
                "kid": "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k",
                "kty": "OKP",
                "use": "sig",
                "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            }
        ]
    },
    "application/jwk-set+json",
)
