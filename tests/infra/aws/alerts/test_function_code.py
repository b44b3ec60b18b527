"""The functions' package on AWS has what Lambda can run."""

import zipfile

import pytest

from infra import alert_definitions as definitions
from infra import function_package
from infra.aws.alerts import function_code
from infra.aws.alerts.function_code import COMPILED
from tests.infra.aws.templates import of_type


@pytest.fixture(scope="module")
def package(prod, synthesized):
    """The package that stage prod uploads."""
    (key,) = {each["Properties"]["Code"]["S3Key"] for each in of_type(prod, "AWS::Lambda::Function")}
    return zipfile.ZipFile(synthesized[0].with_name(f"asset.{key}"))


def test_it_holds_every_handler(package):
    for name in definitions.LIMITS:
        module = definitions.handler(name).removesuffix(".handler").replace(".", "/")
        assert f"{module}.py" in package.namelist()


def test_what_is_compiled_is_for_lambda(package):
    compiled = [name for name in package.namelist() if name.endswith(COMPILED)]
    assert {name.partition("/")[0] for name in compiled} == {"orjson", "yaml"}
    assert {name.partition(".")[2] for name in compiled} == {"cpython-311-x86_64-linux-gnu.so"}


@pytest.mark.skipif(not function_code.is_platform_of_lambda(), reason="only here can the two ways be compared")
def test_a_machine_of_another_kind_makes_the_same_package(tmp_path, monkeypatch):
    monkeypatch.setattr(function_code, "is_platform_of_lambda", lambda: False)
    assert function_code.write_package(tmp_path).read_bytes() == function_package.build()
    assert list((tmp_path / "wheels").rglob("*.so"))
