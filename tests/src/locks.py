"""Which statements of a migration would lock a table that holds rows for long. One JSON text a line in, one out.

In: `tables` that were there before the step, each with the types of its columns, and the step's `files` in their order.
Out: what is `found`: the rule, the file's number and the statement.
"""

import json
import re
import sys

from pglast import ast, parse_sql
from pglast.enums import AlterTableType as Alter
from pglast.enums import ConstrType as Constraint
from pglast.enums import NullTestType, ObjectType

NO_TRANSACTION = "-- no-transaction"
# How a file says what was allowed: in its first comment, a hazard's id a line.
ALLOWED = re.compile(r"^-- allowed: (.+)$", re.M)
BLANKS = re.compile(r"(?:\s|;|--[^\n]*(?:\n|$))*")
NUMERIC = re.compile(r"numeric\((\d+),\s*(\d+)\)", re.I)

# Functions that a default may call: PostgreSQL calls them once for all rows.
STABLE = {"now", "transaction_timestamp", "statement_timestamp", "current_timestamp"}
REWRITES = {Alter.AT_SetLogged, Alter.AT_SetUnLogged, Alter.AT_SetAccessMethod, Alter.AT_SetTableSpace, Alter.AT_AddIdentity}
OURS = ("app.", "jobs.")


def relation(it):
    return f"{it.schemaname}.{it.relname}" if it.schemaname else it.relname


def dotted(names):
    return ".".join(part.sval for part in names)


def nodes(tree):
    """All nodes of a tree, itself included."""
    if isinstance(tree, tuple):
        for it in tree:
            yield from nodes(it)
    elif isinstance(tree, ast.Node):
        yield tree
        for name in tree:
            yield from nodes(getattr(tree, name))


def is_volatile(expression):
    calls = (it for it in nodes(expression) if isinstance(it, ast.FuncCall))
    return any(dotted(call.funcname).removeprefix("pg_catalog.") not in STABLE for call in calls)


def required_column(check):
    """`total` of `CHECK (total IS NOT NULL)`."""
    it = check.raw_expr
    if isinstance(it, ast.NullTest) and it.nulltesttype == NullTestType.IS_NOT_NULL and isinstance(it.arg, ast.ColumnRef):
        return it.arg.fields[-1].sval
    return None


def type_name(it):
    name = it.names[-1].sval
    sizes = [str(size.val.ival) for size in it.typmods or ()]
    return f"{name}({','.join(sizes)})" if sizes else name


def keeps_its_bytes(before, after):
    """Whether a change of type neither rewrites nor reads the table: more digits before the point."""
    before, after = NUMERIC.fullmatch(before or ""), NUMERIC.fullmatch(after)
    return bool(before and after and before[2] == after[2] and int(before[1]) <= int(after[1]))


class Step:
    def __init__(self, tables):
        self.tables = dict(tables)
        self.created = set()
        # Constraints that the step added: where, and which column they keep from being NULL.
        self.added = {}
        # Columns that a validated CHECK keeps from being NULL, with its name: it does so in later files, too.
        self.proven = {}
        self.found = []

    def holds_rows(self, table):
        return table in self.tables and table not in self.created

    def file(self, number, text):
        self.number = number
        # Whether anything but a validation stands before this statement in its transaction.
        self.locked = False
        self.allowed = {it.replace('"', "") for it in ALLOWED.findall(text.split("\n\n", 1)[0])}
        alone = text.startswith(NO_TRANSACTION)
        statements = parse_sql(text)
        if alone and len(statements) != 1:
            self.report("not-alone", text.splitlines()[0])
        end = 0
        for raw in statements:
            start = BLANKS.match(text, end).end()
            end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(text)
            self.source = text[start:end].strip()
            self.statement(raw.stmt, alone)

    def report(self, rule, source=None):
        self.found.append({"rule": rule, "file": self.number, "statement": source or self.source})

    def statement(self, it, alone):
        if isinstance(it, ast.AlterTableStmt):
            return self.alter(relation(it.relation), it.cmds)
        if isinstance(it, ast.IndexStmt):
            if it.concurrent and not alone:
                self.report("concurrently-in-a-transaction")
            table = relation(it.relation)
            if not it.concurrent and self.holds_rows(table) and not self.changes_tenancy(table):
                self.report("index-not-concurrently")
        elif isinstance(it, (ast.DropStmt, ast.ReindexStmt)) and getattr(it, "concurrent", False) and not alone:
            self.report("concurrently-in-a-transaction")
        elif isinstance(it, ast.ReindexStmt):
            concurrently = any(option.defname == "concurrently" for option in it.params or ())
            self.report("concurrently-in-a-transaction" if concurrently and not alone else "rewrite")
        elif isinstance(it, (ast.ClusterStmt, ast.TruncateStmt, ast.RefreshMatViewStmt)):
            self.report("rewrite")
        elif isinstance(it, ast.VacuumStmt):
            self.report("rewrite")
        elif isinstance(it, ast.LockStmt):
            self.report("explicit-lock")
        elif isinstance(it, (ast.UpdateStmt, ast.DeleteStmt)):
            table = relation(it.relation)
            if self.holds_rows(table) and not table.startswith(OURS):
                self.report("changes-rows")
        elif isinstance(it, ast.DropStmt) and it.removeType == ObjectType.OBJECT_TABLE:
            tables = [dotted(name) for name in it.objects]
            for table in filter(self.holds_rows, tables):
                if not {f"drop_table:{table}", f"drop_schema:{table.split('.')[0]}"} & self.allowed:
                    self.report("drop-not-allowed")
        elif isinstance(it, ast.CreateStmt):
            self.created.add(relation(it.relation))
        elif isinstance(it, ast.RenameStmt) and it.renameType == ObjectType.OBJECT_TABLE:
            old = relation(it.relation)
            self.moved(old, f"{it.relation.schemaname}.{it.newname}" if it.relation.schemaname else it.newname)
        elif isinstance(it, ast.RenameStmt) and it.renameType == ObjectType.OBJECT_COLUMN:
            columns = self.tables.get(relation(it.relation), {})
            if it.subname in columns:
                columns[it.newname] = columns.pop(it.subname)
        elif isinstance(it, ast.AlterObjectSchemaStmt) and it.objectType == ObjectType.OBJECT_TABLE:
            self.moved(relation(it.relation), f"{it.newschema}.{it.relation.relname}")
        self.locked = True

    def moved(self, old, new):
        if old in self.tables:
            self.tables[new] = self.tables.pop(old)
        if old in self.created:
            self.created.add(new)
        for table, name in list(self.added):
            if table == old:
                self.added[new, name] = self.added[old, name]

    def alter(self, table, commands):
        holds_rows = self.holds_rows(table)
        validations = [it for it in commands if it.subtype == Alter.AT_ValidateConstraint]
        for it in validations:
            self.validate(table, it.name, len(validations) < len(commands))
        # PostgreSQL drops first, whatever the order in which a statement's parts are written.
        dropped = {it.name for it in commands if it.subtype == Alter.AT_DropConstraint}
        self.proven = {it: name for it, name in self.proven.items() if it[0] != table or name not in dropped}
        for it in commands:
            if it.subtype == Alter.AT_AddConstraint:
                self.constraint(table, it.def_, holds_rows)
            elif not holds_rows:
                continue
            elif it.subtype == Alter.AT_AddColumn:
                self.column(table, it.def_)
            elif it.subtype == Alter.AT_SetNotNull and (table, it.name) not in self.proven:
                self.report("not-null-by-a-scan")
            elif it.subtype == Alter.AT_AlterColumnType:
                keeps = keeps_its_bytes(self.tables[table].get(it.name), type_name(it.def_.typeName))
                if not keeps and f"change_type:{table}.{it.name}" not in self.allowed:
                    self.report("rewrite")
            elif it.subtype == Alter.AT_DropColumn:
                if f"drop_column:{table}.{it.name}" not in self.allowed:
                    self.report("drop-not-allowed")
            elif it.subtype in REWRITES:
                self.report("rewrite")
        if len(validations) < len(commands):
            self.locked = True

    def changes_tenancy(self, table):
        """A table whose rows begin or cease to belong to tenants, which has been allowed to be locked."""
        return {f"add_column:{table}.tenant_id", f"drop_column:{table}.tenant_id"} & self.allowed

    def validate(self, table, name, among_others):
        added, column = self.added.get((table, name), (None, None))
        if added == self.number or self.locked or among_others:
            self.report("validated-under-a-lock")
        if column:
            self.proven[table, column] = name

    def constraint(self, table, it, holds_rows):
        self.added[table, it.conname] = (self.number, required_column(it) if it.contype == Constraint.CONSTR_CHECK else None)
        if not holds_rows:
            return
        if it.contype in (Constraint.CONSTR_CHECK, Constraint.CONSTR_FOREIGN) and not it.skip_validation:
            self.report("checked-at-once")
        elif it.contype == Constraint.CONSTR_NOTNULL and not it.skip_validation:
            self.report("not-null-by-a-scan")
        elif it.contype in (Constraint.CONSTR_UNIQUE, Constraint.CONSTR_PRIMARY) and not it.indexname:
            if not self.changes_tenancy(table):
                self.report("index-not-concurrently")
        elif it.contype == Constraint.CONSTR_EXCLUSION:
            self.report("index-not-concurrently")

    def column(self, table, it):
        kinds = {constraint.contype: constraint for constraint in it.constraints or ()}
        default = kinds.get(Constraint.CONSTR_DEFAULT)
        if default and is_volatile(default.raw_expr) and f"add_column:{table}.{it.colname}" not in self.allowed:
            self.report("rewrite")
        if Constraint.CONSTR_GENERATED in kinds or Constraint.CONSTR_IDENTITY in kinds or it.typeName.names[-1].sval.endswith("serial"):
            self.report("rewrite")
        if Constraint.CONSTR_NOTNULL in kinds and not default:
            self.report("required-without-default")
        if Constraint.CONSTR_CHECK in kinds or Constraint.CONSTR_FOREIGN in kinds:
            self.report("checked-at-once")
        if Constraint.CONSTR_UNIQUE in kinds or Constraint.CONSTR_PRIMARY in kinds:
            self.report("index-not-concurrently")


def answer(question):
    try:
        step = Step(question["tables"])
        for number, text in enumerate(question["files"]):
            step.file(number, text)
        return {"found": step.found}
    except Exception as error:  # whatever it is, the test shows it
        return {"error": f"{type(error).__name__}: {error}"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
