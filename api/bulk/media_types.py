"""The media types of downloads, and the ends of their files' names."""

from __future__ import annotations

from collections.abc import Mapping

CSV = "text/csv"
JSON_LINES = "application/jsonl"
ARROW = "application/vnd.apache.arrow.stream"
PARQUET = "application/vnd.apache.parquet"

EXTENSIONS: Mapping[str, str] = {CSV: "csv", JSON_LINES: "jsonl", ARROW: "arrows", PARQUET: "parquet"}

CONTENT_TYPES: Mapping[str, str] = {CSV: "text/csv; charset=utf-8; header=present"}
"""Those with parameters (RFC 4180, 3)."""
