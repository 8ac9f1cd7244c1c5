"""Shared by the tests of recordings."""

import zipfile

import pytest


@pytest.fixture(params=["folder", "zip"])
def make(request, tmp_path):
    """Writes files, by name, to a folder or to a zip."""

    def _make(files, name="clips"):
        if request.param == "zip":
            path = tmp_path / f"{name}.zip"
            with zipfile.ZipFile(path, "w") as archive:
                for inside, data in files.items():
                    archive.writestr(inside, data)
            return path
        for inside, data in files.items():
            path = tmp_path / name / inside
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data if isinstance(data, bytes) else data.encode())
        return tmp_path / name

    return _make
