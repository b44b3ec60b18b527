"""Input formats: each turns files into canonical JSON documents, and data sets with a registry also into that.

A format is a module with `documents(path) -> Iterator[bytes]`, streaming, one document (or one line of a JSON-lines
file, untouched) each; a data set's module also has `registry_rows(folder) -> Iterator[tuple[int, dict[str, str]]]`:
the rows of the registry in the form of its CSV file, each with the line number of its source.
"""

from collections.abc import Callable, Iterator

from ingestion.errors import UnusableFileError
from ingestion.formats import canonical, metr_la, portal

DOCUMENTS = {"canonical": canonical.documents, "portal": portal.documents, "metr-la": metr_la.documents}
REGISTRIES = {"portal": portal.registry_rows, "metr-la": metr_la.registry_rows}


def documents(name: str, path: str) -> Iterator[bytes]:
    """Return the JSON documents of a file (`canonical`; `-` is stdin) or of a data set's folder.

    Raises UnusableFileError, at the latest while iterating, when the path cannot be read as that format.
    """
    return _lookup(DOCUMENTS, name)(path)


def check(name: str, path: str) -> None:
    """Raise UnusableFileError where `documents` would, as far as that shows before anything is sent.

    A file of JSON lines is judged as `canonical.check` does, a data set by its folder and its first record.
    """
    if name == "canonical":
        canonical.check(path)
    else:
        next(documents(name, path), None)


def registry_rows(name: str, path: str) -> Iterator[tuple[int, dict[str, str]]]:
    """Return (line number, registry CSV row) of a data set's sensors.

    Raises UnusableFileError when the folder cannot be read as that format, or the format has no registry.
    """
    return _lookup(REGISTRIES, name)(path)


def _lookup(known: dict[str, Callable[[str], Iterator]], name: str) -> Callable[[str], Iterator]:
    if name not in known:
        raise UnusableFileError(f"There is no such format here: {name}. Known are {', '.join(known)}.")
    return known[name]
