"""Tools appear whole or not at all, and failures say what to do."""

import gzip
import io
import subprocess
import tarfile
from pathlib import Path

import pytest

from infra.local import toolchain

ROOT = f"trino-server-{toolchain.TRINO_VERSION}"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TRAFFICLAKE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def _archive(cache: Path, *, plugins: tuple[str, ...]) -> Path:
    """Lay down a fetched archive whose kept jars are hard links to a jar that is not kept, as Trino's are."""
    folder = cache / "download" / "trino-ivy" / "cache" / "io.trino" / "trino-server" / "tar.gzs"
    folder.mkdir(parents=True)
    path = folder / f"trino-server-{toolchain.TRINO_VERSION}.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo(f"{ROOT}/plugin/accumulo/a.jar")
        member.size = 3
        tar.addfile(member, io.BytesIO(b"jar"))
        for folder_name in ("lib", *(f"plugin/{plugin}" for plugin in plugins)):
            link = tarfile.TarInfo(f"{ROOT}/{folder_name}/a.jar")
            link.type, link.linkname = tarfile.LNKTYPE, member.name
            tar.addfile(link)
    return path


def test_only_what_is_used_is_kept_and_the_archive_goes(cache: Path):
    archive = _archive(cache, plugins=toolchain.TRINO_PLUGINS)
    seen: list[str] = []
    home = toolchain.fetch_trino(lambda tool, _done, _total: seen.append(tool))
    found = sorted(str(path.relative_to(home)) for path in home.rglob("*.jar"))
    assert found == sorted(["lib/a.jar", *(f"plugin/{plugin}/a.jar" for plugin in toolchain.TRINO_PLUGINS)])
    assert (home / "lib" / "a.jar").read_bytes() == b"jar"
    assert not archive.exists()
    assert seen


@pytest.mark.parametrize("damage", ["cut", "flipped", "lacking"])
def test_a_damaged_archive_is_deleted_and_nothing_appears(cache: Path, damage: str):
    archive = _archive(cache, plugins=() if damage == "lacking" else toolchain.TRINO_PLUGINS)
    content = archive.read_bytes()
    if damage == "cut":
        archive.write_bytes(content[: len(content) // 2])
    elif damage == "flipped":
        plain = bytearray(gzip.decompress(content))
        plain[0] ^= 0xFF
        archive.write_bytes(gzip.compress(bytes(plain)))
    with pytest.raises(toolchain.ToolchainError, match="run this again"):
        toolchain.fetch_trino()
    assert not archive.exists()
    assert not toolchain.trino_home().exists()


def test_a_failed_download_says_what_failed_and_what_to_do(cache: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dhttps.proxyHost=127.0.0.1 -Dhttps.proxyPort=9")
    with pytest.raises(toolchain.ToolchainError, match=r"Trino 476 could not be fetched: .*refused.* run this again"):
        toolchain.fetch_trino()
    assert not toolchain.trino_home().exists()


def test_java_trusts_what_python_trusts(cache: Path):
    options = toolchain.java_trust_options()
    if not options:
        pytest.skip("Python names no authorities on this machine")
    store = options[0].partition("=")[2]
    keytool = toolchain.java_17().with_name("keytool")
    listed = subprocess.run(
        [keytool, "-list", "-keystore", store, "-storepass", "changeit"], capture_output=True, text=True, check=True
    )
    assert "trustedCertEntry" in listed.stdout
    assert toolchain.java_trust_options() == options
