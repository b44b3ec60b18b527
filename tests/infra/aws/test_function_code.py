"""The functions' package on AWS has what Lambda can run."""

import io
import zipfile

import pytest

from infra import alert_definitions as definitions
from infra import function_package
from infra.aws.function_code import COMPILED, fetch_compiled, is_platform_of_lambda


@pytest.fixture(scope="module")
def package(synthesized):
    """The package that stage prod uploads."""
    (asset,) = synthesized[0].parent.glob("asset.*.zip")
    return zipfile.ZipFile(io.BytesIO(asset.read_bytes()))


def test_it_holds_every_handler(package):
    for name in definitions.LIMITS:
        module = definitions.handler(name).removesuffix(".handler").replace(".", "/")
        assert f"{module}.py" in package.namelist()


def test_what_is_compiled_is_for_lambda(package):
    compiled = [name for name in package.namelist() if name.endswith(COMPILED)]
    assert {name.partition("/")[0] for name in compiled} == {"orjson", "yaml"}
    assert {name.partition(".")[2] for name in compiled} == {"cpython-311-x86_64-linux-gnu.so"}


@pytest.mark.skipif(not is_platform_of_lambda(), reason="only here can what is fetched be compared with what runs")
def test_what_would_be_fetched_for_lambda_elsewhere_is_what_runs_here(tmp_path):
    here = function_package.package_files()
    fetched = fetch_compiled({"orjson", "yaml"}, tmp_path / "wheels")
    assert set(fetched) == {name for name in here if name.endswith(COMPILED)}
    assert {name: path.read_bytes() for name, path in fetched.items()} == {
        name: here[name].read_bytes() for name in fetched
    }
