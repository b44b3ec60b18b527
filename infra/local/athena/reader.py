"""A statement read from left to right, for the grammar of DDL."""

from dataclasses import dataclass

from infra.local.athena.rewrites import Name
from infra.local.athena.text import Kind, Statement, StatementError, closing, split


@dataclass
class Reader:
    """A position in a statement."""

    statement: Statement
    database: str | None
    index: int = 0

    def accept(self, *words: str) -> bool:
        """Step over these keywords if they come next."""
        if all(self.statement.word(self.index + offset) == word for offset, word in enumerate(words)):
            self.index += len(words)
            return True
        return False

    def expect(self, *words: str) -> None:
        """Step over these keywords. Raises StatementError when something else comes."""
        if not self.accept(*words):
            self.fail("'" + " ".join(words) + "'")

    def fail(self, expected: str) -> None:
        """Raise StatementError in Athena's words."""
        found = self.statement.tokens[self.index].text if not self.ended else "<EOF>"
        raise StatementError(f"FAILED: ParseException line 1:1 mismatched input '{found}'. Expecting: {expected}")

    @property
    def ended(self) -> bool:
        """Whether nothing is left."""
        return self.index >= len(self.statement.tokens)

    def end(self) -> None:
        """Raise StatementError if something is left."""
        if not self.ended:
            self.fail("<EOF>")

    def if_exists(self) -> bool:
        """Step over IF EXISTS."""
        return self.accept("IF", "EXISTS")

    def if_not_exists(self) -> bool:
        """Step over IF NOT EXISTS."""
        return self.accept("IF", "NOT", "EXISTS")

    def identifier(self) -> str:
        """Return the next name in lower case, without its quotes."""
        if self.ended:
            self.fail("identifier")
        token = self.statement.tokens[self.index]
        self.index += 1
        if token.kind is Kind.SYMBOL:
            self.index -= 1
            self.fail("identifier")
        return token.text.lower()

    def name(self) -> Name:
        """Return the next table name, in the context's database unless it names one. Raises StatementError."""
        parts = [self.identifier()]
        while self.accept("."):
            parts.append(self.identifier())
        if len(parts) == 3:
            if parts[0] != "awsdatacatalog":
                raise StatementError(f"Catalog '{parts[0]}' does not exist")
            parts = parts[1:]
        if len(parts) == 1:
            if not self.database:
                raise StatementError("Schema must be specified when session schema is not set")
            parts.insert(0, self.database)
        if len(parts) != 2:
            raise StatementError(f"Too many parts in table name: {'.'.join(parts)}")
        return Name(*parts)

    def string(self) -> str:
        """Return the next string's content."""
        if self.ended or self.statement.tokens[self.index].kind is not Kind.STRING:
            self.fail("string")
        text = self.statement.tokens[self.index].text
        self.index += 1
        return text

    def group(self) -> list[tuple[int, int]]:
        """Step over `( …, … )` and return the token ranges of its items."""
        if self.statement.word(self.index) != "(":
            self.fail("'('")
        opening = self.index
        end = closing(self.statement, opening)
        self.index = end + 1
        return split(self.statement, opening + 1, end)

    def properties(self) -> dict[str, str]:
        """Step over `('key'='value', …)`."""
        found = {}
        for first, end in self.group():
            if self.statement.word(first + 1) != "=" or end - first != 3:
                self.fail("'key'='value'")
            found[self.statement.tokens[first].text] = self.statement.tokens[first + 2].text
        return found

    def columns(self) -> list[dict[str, str]]:
        """Step over `(name type [COMMENT 'text'], …)` and return Glue's columns."""
        return [self._column(first, end) for first, end in self.group()]

    def _column(self, first: int, end: int) -> dict[str, str]:
        inner = Reader(self.statement, None, first)
        column = {"Name": inner.identifier()}
        inner.accept(":")
        comment = next((i for i in range(inner.index, end) if self.statement.word(i) == "COMMENT"), end)
        column["Type"] = hive_type(self.statement.slice(inner.index, comment))
        if not column["Type"]:
            raise StatementError(f"FAILED: ParseException: column {column['Name']} has no type")
        if comment < end:
            column["Comment"] = Reader(self.statement, None, comment + 1).string()
        return column


def hive_type(text: str) -> str:
    """Return a Hive type as Glue keeps it: lower case, without spaces; `integer` is `int`."""
    compact = "".join(text.lower().split()).replace("`", "")
    return {"integer": "int", "numeric": "decimal", "varbinary": "binary"}.get(compact, compact)
