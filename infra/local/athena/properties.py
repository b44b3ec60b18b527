"""`WITH (…)` of CTAS and UNLOAD: properties as SQL text, by lower-case name."""

from infra.local.athena.text import Statement, StatementError, split, tokenize


def parse(statement: Statement, opening: int, end: int) -> dict[str, str]:
    """Read the properties between the parenthesis at `opening` and the one at `end`."""
    found: dict[str, str] = {}
    for first, after in split(statement, opening + 1, end):
        if statement.word(first + 1) != "=":
            raise StatementError(f"mismatched input '{statement.tokens[first].text}'. Expecting: property = value")
        found[statement.tokens[first].text.lower()] = statement.slice(first + 2, after)
    return found


def text_of(value: str) -> str:
    """Return what a property's SQL text means: a string's content, or a number or word as it stands."""
    value = value.strip()
    if value[:1] == "'" and value[-1:] == "'":
        return value[1:-1].replace("''", "'")
    return value


def list_of(value: str) -> list[str]:
    """Return the strings of `ARRAY['a', 'b']`."""
    inner = value.strip()
    inner = inner[inner.index("[") + 1 : inner.rindex("]")] if "[" in inner else inner
    return (
        [token.text for token in tokenize(f"VALUES {inner}").tokens[1:] if token.text != ","] if inner.strip() else []
    )


def write(properties: dict[str, str]) -> str:
    """Return `WITH (…)`, or nothing without properties."""
    return f"WITH ({', '.join(f'{name} = {value}' for name, value in properties.items())})" if properties else ""
