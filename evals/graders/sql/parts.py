"""The parts of a query that can be right or wrong on their own, in one spelling."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import sqlglot
from sqlglot import exp
from sqlglot.errors import OptimizeError, SqlglotError
from sqlglot.optimizer.qualify import qualify

NAMES = ("table", "columns", "filters", "joins")
DIALECT = "sqlite"
MIRRORED = {exp.GT: exp.LT, exp.GTE: exp.LTE, exp.LT: exp.GT, exp.LTE: exp.GTE}


class NotAQuery(ValueError):
    """A text that is not one SELECT statement."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """A query's parts, each a set of normalised texts."""

    table: frozenset[str]
    columns: frozenset[str]
    filters: frozenset[str]
    joins: frozenset[str]

    def named(self, name: str) -> frozenset[str]:
        """The part of this name."""
        return {
            "table": self.table,
            "columns": self.columns,
            "filters": self.filters,
            "joins": self.joins,
        }[name]

    def present(self) -> frozenset[str]:
        """The names of the parts that this query has."""
        return frozenset(name for name in NAMES if self.named(name))


def of(sql: str, schema: Mapping[str, Mapping[str, str]], *, bare: bool = False) -> Parts:
    """The parts of one SELECT; columns carry their table's name unless `bare`."""
    query = _parsed(sql)
    tables = _tables(query)
    query = _qualified(_with_texts(query, schema), schema)
    _name_columns_by_table(query)
    conditions = list(_conditions(query))
    joins = frozenset(_text(one) for one in conditions if _is_join(one))
    filters = [one for one in conditions if not _is_join(one)]
    columns = [column.unalias() for column in query.selects]
    if bare:
        _drop_tables([*columns, *filters])
    return Parts(
        table=tables,
        columns=frozenset(_text(column) for column in columns),
        filters=frozenset(_text(one) for one in filters),
        joins=joins,
    )


def is_ordered(sql: str) -> bool:
    """Whether the query itself, not only a part of it, asks for an order."""
    return _parsed(sql).args.get("order") is not None


def _parsed(sql: str) -> exp.Query:
    try:
        statements = [one for one in sqlglot.parse(sql, read=DIALECT) if one is not None]
    except (SqlglotError, RecursionError) as error:
        first_line = str(error).partition("\n")[0]
        raise NotAQuery(f"is not SQL: {first_line}") from error
    if len(statements) != 1 or not isinstance(statements[0], exp.Query):
        raise NotAQuery("is not one SELECT statement")
    return statements[0]


def _tables(query: exp.Query) -> frozenset[str]:
    named_here = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    return frozenset(table.name.lower() for table in query.find_all(exp.Table)) - named_here


def _with_texts(query: exp.Query, schema: Mapping[str, Mapping[str, str]]) -> exp.Query:
    """SQLite reads a name in double quotes that no column has as a text; so does this."""
    known = {column for columns in schema.values() for column in columns}
    for column in list(query.find_all(exp.Column)):
        quoted = isinstance(column.this, exp.Identifier) and column.this.quoted
        if quoted and not column.table and column.name.lower() not in known:
            column.replace(exp.Literal.string(column.name))
    return query


def _drop_tables(expressions: Iterable[exp.Expr]) -> None:
    for expression in expressions:
        for column in expression.find_all(exp.Column):
            column.set("table", None)


def _qualified(query: exp.Query, schema: Mapping[str, Mapping[str, str]]) -> exp.Query:
    """Every column with its table, stars spelled out; as written where that cannot be told."""
    try:
        return qualify(
            query.copy(),
            schema={table: dict(columns) for table, columns in schema.items()},
            dialect=DIALECT,
            validate_qualify_columns=False,
            quote_identifiers=False,
        )
    except (OptimizeError, SqlglotError, RecursionError):
        return query


def _name_columns_by_table(query: exp.Query) -> None:
    names = {table.alias_or_name: table.name.lower() for table in query.find_all(exp.Table)}
    for column in query.find_all(exp.Column):
        if column.table:
            column.set("table", exp.to_identifier(names.get(column.table, column.table)))


def _conditions(query: exp.Query) -> Iterator[exp.Expr]:
    """Every conjunct of WHERE, HAVING and ON, in one spelling."""
    for clause in query.find_all(exp.Where, exp.Having, exp.Join):
        condition = clause.args.get("on") if isinstance(clause, exp.Join) else clause.this
        if condition is not None:
            whole = condition.unnest()
            conjuncts = whole.flatten() if isinstance(whole, exp.And) else [whole]
            for conjunct in conjuncts:
                yield from _spelled(conjunct.unnest())


def _spelled(condition: exp.Expr) -> Iterator[exp.Expr]:
    if isinstance(condition, exp.Between):
        yield exp.GTE(this=condition.this.copy(), expression=condition.args["low"].copy())
        yield exp.LTE(this=condition.this.copy(), expression=condition.args["high"].copy())
    elif isinstance(condition, exp.In) and len(condition.expressions) == 1:
        yield exp.EQ(this=condition.this.copy(), expression=condition.expressions[0].copy())
    elif isinstance(condition, exp.Binary) and isinstance(condition.this, exp.Literal):
        mirrored = MIRRORED.get(type(condition), type(condition))
        yield mirrored(this=condition.expression.copy(), expression=condition.this.copy())
    elif _is_join(condition):
        left, right = sorted([condition.this, condition.expression], key=_text)
        yield exp.EQ(this=left.copy(), expression=right.copy())
    else:
        yield condition


def _is_join(condition: exp.Expr) -> bool:
    """An equation of columns of two tables, whether it stands in ON or in WHERE."""
    return (
        isinstance(condition, exp.EQ)
        and isinstance(condition.this, exp.Column)
        and isinstance(condition.expression, exp.Column)
        and condition.this.table != condition.expression.table
    )


def _text(expression: exp.Expr) -> str:
    return expression.sql(dialect=DIALECT, normalize=True, comments=False)
