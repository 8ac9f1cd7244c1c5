"""Files that are named after their class, and folders of files that are.

reviews/positive/17.txt     a folder a class, a file a sample
names/French.txt            a file a class, a line a sample
"""

from collections import Counter
from pathlib import Path

from ..errors import DataError
from ..reading.notes import Notes, listed
from .files import lines_of, read_text

# More findings than this about single files are counted instead.
_MOST_FINDINGS = 3

Raw = tuple[str, str, str]  # text, label, name


def from_folder(path: Path, notes: Notes) -> list[Raw]:
    """The samples of a folder, in order of the names of classes and files.

    Raises:
        DataError: the folder holds neither files nor folders of files.
    """
    folders = [p for p in _visible(path) if p.is_dir() and _files(p)]
    files = [p for p in _visible(path) if p.is_file()]
    if not folders and not files:
        raise DataError(f"{path} holds no files; expected a folder or a file for each class")
    if folders:
        notes.left_out("files beside the folders of the classes, not read: {}", len(files))
        notes.found(f"a folder for each class, a file for each sample, in {path}")
        every = _of_one_kind([file for folder in folders for file in _files(folder)], notes)
        texts = zip(every, _texts_of(every, notes), strict=True)
        return [(text, p.parent.name, f"{p.parent.name}/{p.name}") for p, text in texts]
    notes.found(f"a file for each class, a line for each sample, in {path}")
    chosen = _of_one_kind(files, notes)
    return [
        (line, file.stem, f"{file.name}, line {number}")
        for file, text in zip(chosen, _texts_of(chosen, notes), strict=True)
        for number, line in enumerate(lines_of(text), start=1)
    ]


def _visible(path: Path) -> list[Path]:
    return sorted(p for p in path.iterdir() if p.name[0] != ".")


def _files(folder: Path) -> list[Path]:
    return [p for p in _visible(folder) if p.is_file()]


def _of_one_kind(files: list[Path], notes: Notes) -> list[Path]:
    """Files of one suffix: .txt where there is one, else the commonest."""
    suffixes = Counter(file.suffix.lower() for file in files)
    chosen = ".txt" if ".txt" in suffixes else suffixes.most_common(1)[0][0]
    others = [file.name for file in files if file.suffix.lower() != chosen]
    if others:
        notes.left_out(f"files that do not end in {chosen} ({listed(others)}): {{}}", len(others))
    return [file for file in files if file.suffix.lower() == chosen]


def _texts_of(files: list[Path], notes: Notes) -> list[str]:
    """The texts of files; what is found in many of them is said once."""
    own = Notes()
    texts = [read_text(file, own) for file in files]
    if len(own) <= _MOST_FINDINGS:
        notes.extend(own)
    else:
        notes.warned(f"findings about the text of files, such as {own[0].text!r}: {{}}", len(own))
    return texts
