"""What QuickSight's API takes, by botocore's model, which says more than botocore itself looks at."""

import re

import botocore.session
from botocore.validate import ParamValidator

_MODEL = botocore.session.get_session().get_service_model("quicksight")


def refused(request, value):
    """Return what the API would refuse of a request: members, types, required ones, enums, patterns and sizes."""
    shape = _MODEL.shape_for(f"{request}Request")
    report = ParamValidator().validate(value, shape).generate_report()
    return [*report.splitlines(), *_out_of_bounds(shape, value, request)]


def _out_of_bounds(shape, value, path):
    if shape.type_name == "structure":
        for name, each in value.items():
            yield from _out_of_bounds(shape.members[name], each, f"{path}.{name}")
    elif shape.type_name == "map":
        for name, each in value.items():
            yield from _out_of_bounds(shape.key, name, f"{path}.{name}")
            yield from _out_of_bounds(shape.value, each, f"{path}.{name}")
    elif shape.type_name == "list":
        yield from _wrong_size(shape, len(value), path)
        for number, each in enumerate(value):
            yield from _out_of_bounds(shape.member, each, f"{path}[{number}]")
    elif shape.type_name == "string":
        yield from _wrong_size(shape, len(value), path)
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value} is none of {shape.enum}"
        if not re.fullmatch(shape.metadata.get("pattern", ".*"), value, re.DOTALL):
            yield f"{path}: {value} is not {shape.metadata['pattern']}"
    elif shape.type_name in ("integer", "long", "float", "double"):
        yield from _wrong_size(shape, value, path)


def _wrong_size(shape, size, path):
    if not shape.metadata.get("min", size) <= size <= shape.metadata.get("max", size):
        yield f"{path}: {size} is not within {shape.metadata}"


def bodies(node, name):
    """Yield every value of a member of that name, at any depth."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == name:
                yield value
            yield from bodies(value, name)
    elif isinstance(node, list):
        for each in node:
            yield from bodies(each, name)
