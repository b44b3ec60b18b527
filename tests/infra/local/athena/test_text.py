"""Tokens stand where they stand in the text, whatever is quoted or commented."""

import pytest

from infra.local.athena.text import Kind, StatementError, closing, split, tokenize


def test_comments_and_the_closing_semicolon_are_no_tokens():
    statement = tokenize("-- /* {} */\nselect 1 /* ; */ as a -- ; x\n;")
    assert [token.text for token in statement.tokens] == ["select", "1", "as", "a"]
    assert statement.starts("SELECT")


@pytest.mark.parametrize(
    ("sql", "kind", "text"),
    [
        ("select 'it''s; -- no'", Kind.STRING, "it's; -- no"),
        ('select "a""b"', Kind.NAME, 'a"b'),
        ("select `c`", Kind.NAME, "c"),
        ("select .5", Kind.NUMBER, ".5"),
        ("select 1.5e-3", Kind.NUMBER, "1.5e-3"),
        ("select täglich", Kind.WORD, "täglich"),
        ("alter table t set location 'a\\'b'", Kind.STRING, "a'b"),
        ('alter table t set location "a\\tb"', Kind.STRING, "a\tb"),
    ],
)
def test_the_last_token_is_read_as_athena_reads_it(sql: str, kind: Kind, text: str):
    token = tokenize(sql).tokens[-1]
    assert (token.kind, token.text) == (kind, text)


def test_a_quoted_keyword_is_no_keyword():
    assert tokenize('select "from" from t').find("FROM") == 2


def test_keywords_in_parentheses_are_not_found():
    assert tokenize("create table t with (as = 1) as select (select 1 as a)").find("AS") == 9


@pytest.mark.parametrize("sql", ["", "  ;", "-- nothing", "select 1; select 2", "select 'open"])
def test_what_is_not_one_statement_is_refused(sql: str):
    with pytest.raises(StatementError):
        tokenize(sql)


def test_split_keeps_nested_commas_together():
    statement = tokenize("create external table t (a map<string,array<int>>, b decimal(10,2))")
    parts = split(statement, 5, closing(statement, 4))
    assert [statement.slice(*part) for part in parts] == ["a map<string,array<int>>", "b decimal(10,2)"]
