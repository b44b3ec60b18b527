"""Statements as tokens: what routes or rewrites SQL edits text between tokens and leaves the rest as it was sent.

A general SQL parser would hand back its own wording of everything else in the statement.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum


class StatementError(ValueError):
    """A statement that Athena would refuse, or that is not supported here; the message is the reason."""


class Kind(Enum):
    """What a token is."""

    WORD = "word"  # keyword or name without quotes
    NAME = "name"  # name in quotes
    STRING = "string"
    NUMBER = "number"
    SYMBOL = "symbol"  # one character


@dataclass(frozen=True)
class Token:
    """A token: its kind, its content without quotes, and where it stands in the text (end exclusive)."""

    kind: Kind
    text: str
    start: int
    end: int


_COMMON = r"""
    (?P<space> \s+ | --[^\n]* | /\*.*?\*/ )
  | (?P<number> \d+(?:_\d+)*(?:\.\d*)?(?:[eE][-+]?\d+)? | \.\d+(?:[eE][-+]?\d+)? )
  | (?P<word> (?!\d)\w[\w$@]* )
  | (?P<back> `(?:[^`]|``)*` )
"""
_TRINO = re.compile(
    _COMMON + r"""| (?P<string> '(?:[^']|'')*' ) | (?P<name> "(?:[^"]|"")*" ) | (?P<symbol> [^'"`] )""",
    re.VERBOSE | re.DOTALL,
)
_HIVE = re.compile(
    _COMMON + r"""| (?P<string> '(?:[^'\\]|\\.|'')*' | "(?:[^"\\]|\\.)*" ) | (?P<symbol> [^'"`] )""",
    re.VERBOSE | re.DOTALL,
)
_HIVE_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "0": "\0", "b": "\b", "Z": "\x1a"}


@dataclass(frozen=True)
class Statement:
    """One statement and its tokens, without comments and without the closing semicolon."""

    sql: str
    tokens: tuple[Token, ...]

    def word(self, index: int) -> str:
        """Return the token at `index` in upper case if it is a keyword or symbol, or '' (past the end too)."""
        token = self.tokens[index] if 0 <= index < len(self.tokens) else None
        return token.text.upper() if token and token.kind in (Kind.WORD, Kind.SYMBOL) else ""

    def starts(self, *words: str) -> bool:
        """Whether the statement starts with these keywords."""
        return all(self.word(index) == word for index, word in enumerate(words))

    def find(self, *words: str, start: int = 0) -> int | None:
        """Return the index of the first place outside parentheses where these keywords follow each other."""
        depth = 0
        for index in range(start, len(self.tokens)):
            if depth == 0 and all(self.word(index + offset) == word for offset, word in enumerate(words)):
                return index
            depth += {"(": 1, ")": -1}.get(self.word(index), 0)
        return None

    def slice(self, first: int, end: int | None = None) -> str:
        """Return the text from token `first` up to before token `end`, comments in between included."""
        tokens = self.tokens[first:end]
        return self.sql[tokens[0].start : tokens[-1].end] if tokens else ""


def tokenize(sql: str) -> Statement:
    """Split a statement into tokens, as Athena does: most DDL is Hive's, all else Trino's.

    Raises StatementError for text that has none, or two statements.
    """
    try:
        statement = _tokenize(sql, _TRINO, hive=False)
    except StatementError:
        statement = _tokenize(sql, _HIVE, hive=True)  # a quote behind a backslash ends no string there
        if is_hive(statement):
            return statement
        raise
    return _tokenize(sql, _HIVE, hive=True) if is_hive(statement) else statement


def is_hive(statement: Statement) -> bool:
    """Whether Athena reads this statement with its Hive parser: strings in either quotes, with backslashes."""
    first, second = statement.word(0), statement.word(1)
    if first in ("ALTER", "SHOW", "DESCRIBE", "DESC", "MSCK"):
        return True
    if first != "CREATE":
        return False
    if second == "TABLE":
        return statement.find("AS") is None
    return second in ("EXTERNAL", "SCHEMA", "DATABASE")


def _tokenize(sql: str, pattern: re.Pattern[str], *, hive: bool) -> Statement:
    tokens = []
    position = 0
    while position < len(sql):
        match = pattern.match(sql, position)
        if match is None:
            raise StatementError(f"{_place(sql, position)}: mismatched input '{sql[position]}': no closing quote")
        if match.lastgroup != "space":
            tokens.append(_token(match, hive=hive))
        position = match.end()
    while tokens and tokens[-1].text == ";" and tokens[-1].kind is Kind.SYMBOL:
        tokens.pop()
    if not tokens:
        raise StatementError("Query is empty")
    if any(token.text == ";" and token.kind is Kind.SYMBOL for token in tokens):
        raise StatementError("Only one sql statement is allowed")
    return Statement(sql[: tokens[-1].end], tuple(tokens))


def _token(match: re.Match[str], *, hive: bool) -> Token:
    group, text = match.lastgroup, match.group()
    kind = Kind.NAME if group == "back" else Kind[(group or "symbol").upper()]
    if kind in (Kind.NAME, Kind.STRING):
        quote, text = text[0], text[1:-1]
        text = text.replace(quote * 2, quote)
        if hive and kind is Kind.STRING:
            text = re.sub(r"\\(.)", lambda escape: _HIVE_ESCAPES.get(escape[1], escape[1]), text, flags=re.DOTALL)
    return Token(kind, text, match.start(), match.end())


def _place(sql: str, position: int) -> str:
    before = sql[:position]
    return f"line {before.count(chr(10)) + 1}:{position - (before.rfind(chr(10)) + 1) + 1}"


def edit(statement: Statement, edits: Iterable[tuple[int, int, str]]) -> Statement:
    """Replace pieces of text, each given as (first character, end, new text), none overlapping."""
    sql = statement.sql
    for first, end, new in sorted(edits, reverse=True):
        sql = sql[:first] + new + sql[end:]
    return tokenize(sql)


def closing(statement: Statement, opening: int) -> int:
    """Return the index of the parenthesis that closes the one at `opening`. Raises StatementError."""
    depth = 0
    for index in range(opening, len(statement.tokens)):
        depth += {"(": 1, ")": -1}.get(statement.word(index), 0)
        if depth == 0:
            return index
    raise StatementError("line 1:1: mismatched input '<EOF>'. Expecting: ')'")


def split(statement: Statement, first: int, end: int) -> list[tuple[int, int]]:
    """Split the tokens from `first` to before `end` at commas outside parentheses and angle brackets."""
    parts, depth, start = [], 0, first
    for index in range(first, end):
        symbol = statement.word(index)
        depth += (symbol in ("(", "<", "[")) - (symbol in (")", ">", "]"))
        if symbol == "," and depth == 0:
            parts.append((start, index))
            start = index + 1
    if start < end:
        parts.append((start, end))
    return parts


def quoted(name: str) -> str:
    """Return a name in double quotes."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str) -> str:
    """Return a string literal."""
    return "'" + value.replace("'", "''") + "'"
