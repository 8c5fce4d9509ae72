"""The city folder as a ZIP archive, made on disk."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile
from typing import IO
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

from cities.folder_writer import write_city
from twin.model.city_model import CityModel

# Nothing in the archive depends on when it was made: the same city gives the same bytes.
_DATE = (1980, 1, 1, 0, 0, 0)


def open_archive(model: CityModel, contents: Mapping[str, bytes]) -> IO[bytes]:
    """Return the open archive of a city, whose file is removed when it is closed; the call blocks.

    `contents` has the files of the page by name. Raises OSError.
    """
    archive = TemporaryFile(prefix="livetwin-city-")  # noqa: SIM115 - the caller closes it
    try:
        with (
            TemporaryDirectory(prefix="livetwin-city-") as name,
            ZipFile(archive, "w", ZIP_DEFLATED) as target,
        ):
            for path in sorted(write_city(model, Path(name), contents)):
                entry = ZipInfo(f"{model.city.id}/{path.name}", _DATE)
                entry.compress_type = ZIP_DEFLATED
                with path.open("rb") as source, target.open(entry, "w") as file:
                    while part := source.read(_PART_BYTES):
                        file.write(part)
        archive.seek(0)
    except BaseException:
        archive.close()
        raise
    return archive


_PART_BYTES = 64 * 1024
