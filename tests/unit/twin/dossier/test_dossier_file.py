"""A dossier has one form: the same documents give the same bytes, and any other byte is refused."""

from __future__ import annotations

import io
import zipfile

import pytest

from twin.dossier.dossier_file import (
    ENTRIES_MAX,
    FILE_BYTES_MAX,
    MANIFEST,
    DossierError,
    check_contents,
    contents_of,
    encode_document,
    pack,
    unpack,
)

DOCUMENTS = {"events.jsonl": b'{"kind":"raised"}\n', "model.json": b"{}\n"}


def manifest() -> dict[str, object]:
    contents = contents_of(DOCUMENTS)
    return {"contents": [{"path": one.path, "bytes": one.bytes, "sha256": one.sha256} for one in contents]}


def test_the_same_documents_give_the_same_bytes_in_any_order() -> None:
    assert pack(DOCUMENTS) == pack(dict(reversed(DOCUMENTS.items())))
    assert unpack(pack(DOCUMENTS)) == DOCUMENTS


def test_any_program_for_zip_archives_opens_it() -> None:
    with zipfile.ZipFile(io.BytesIO(pack(DOCUMENTS))) as archive:
        assert archive.testzip() is None
        assert sorted(archive.namelist()) == sorted(DOCUMENTS)


def test_every_changed_byte_is_refused_or_changes_a_document() -> None:
    data = pack(DOCUMENTS)
    for place in range(len(data)):
        changed = bytearray(data)
        changed[place] ^= 1
        try:
            found = unpack(bytes(changed))
        except DossierError:
            continue
        assert check_contents(manifest(), found), f"byte {place} is not noticed"


@pytest.mark.parametrize("more", [b"\0", b"PK", pack(DOCUMENTS)])
def test_bytes_before_or_after_the_archive_are_refused(more: bytes) -> None:
    for data in (more + pack(DOCUMENTS), pack(DOCUMENTS) + more):
        with pytest.raises(DossierError):
            unpack(data)


def test_a_part_of_the_archive_is_refused() -> None:
    data = pack(DOCUMENTS)
    for length in (0, 1, len(data) // 2, len(data) - 1):
        with pytest.raises(DossierError, match=r"ZIP archive|signed"):
            unpack(data[:length])


def test_an_archive_that_grows_when_it_is_read_is_refused() -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.json", b" " * 1_000_000)
    with pytest.raises(DossierError, match="compressed"):
        unpack(buffer.getvalue())


def test_too_many_entries_and_too_many_bytes_are_refused() -> None:
    with pytest.raises(DossierError, match=f"at most {ENTRIES_MAX}"):
        unpack(pack({str(number): b"" for number in range(ENTRIES_MAX + 1)}))
    with pytest.raises(DossierError, match="at most"):
        unpack(bytes(FILE_BYTES_MAX + 1))


@pytest.mark.parametrize(
    ("documents", "fault"),
    [
        ({"events.jsonl": DOCUMENTS["events.jsonl"]}, "model.json: it is missing"),
        ({**DOCUMENTS, "model.json": b"[]\n"}, "model.json: its SHA-256 is"),
        ({**DOCUMENTS, "more.json": b""}, "more.json: the manifest does not list it"),
    ],
)
def test_documents_that_the_manifest_does_not_describe_are_named(
    documents: dict[str, bytes], fault: str
) -> None:
    (found,) = check_contents(manifest(), documents)
    assert found.startswith(fault)
    assert check_contents(manifest(), {**DOCUMENTS, MANIFEST: encode_document(manifest())}) == []
