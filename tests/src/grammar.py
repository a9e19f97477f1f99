"""PostgreSQL's own grammar, for the tests: SQL in, statements out, one JSON text a line.

A statement has its kind, the name of its object, its shape (what it is, apart from the texts and numbers in it) and the
queries that its function's body builds at run time.
"""

import json
import re
import sys

from pglast import fingerprint, parse_plpgsql, parse_sql
from pglast.enums import ObjectType


def dotted(names):
    return ".".join(part.sval for part in names)


def relation(it):
    return f"{it.schemaname}.{it.relname}" if it.schemaname else it.relname


def name_of(statement, kind):
    if kind == "CreateSchemaStmt":
        return statement.schemaname
    if kind == "CompositeTypeStmt":
        return relation(statement.typevar)
    if kind in ("CreateStmt", "InsertStmt", "UpdateStmt", "DeleteStmt"):
        return relation(statement.relation)
    if kind == "ViewStmt":
        return relation(statement.view)
    if kind == "IndexStmt":
        return f"{statement.relation.schemaname}.{statement.idxname}"
    if kind == "CreateTrigStmt":
        return f"{statement.trigname} ON {relation(statement.relation)}"
    if kind == "CreatePolicyStmt":
        return f"{statement.policy_name} ON {relation(statement.table)}"
    if kind == "CreateFunctionStmt":
        return dotted(statement.funcname)
    if kind == "CreateRoleStmt":
        return statement.role
    if kind == "AlterTableStmt":
        definition = getattr(statement.cmds[0], "def_", None) or getattr(statement.cmds[0], "def", None)
        constraint = getattr(definition, "conname", None)
        table = relation(statement.relation)
        return f"{constraint} ON {table}" if constraint else table
    if kind == "CommentStmt":
        it = statement.object
        if statement.objtype == ObjectType.OBJECT_FUNCTION:
            return dotted(it.objname)
        if statement.objtype == ObjectType.OBJECT_TYPE:
            return dotted(it.names)
        return dotted(it) if isinstance(it, tuple) else it.sval
    if kind == "GrantStmt":
        objects = [
            dotted(it.objname) if hasattr(it, "objname") else relation(it) if hasattr(it, "relname") else it.sval
            for it in statement.objects or ()
        ]
        return ", ".join(objects)
    return ""


def options(function):
    found = {option.defname: option.arg for option in function.options}
    body = found["as"][0].sval if "as" in found else ""
    return found["language"].sval, body


# pglast knows no types but its own: a name with a schema becomes `record`, or text where it is an array.
QUALIFIED = re.compile(r'("[^"]+"|\w+)\.("[^"]+"|\w+)(\.("[^"]+"|\w+))?(%ROWTYPE|%TYPE)?(\[\])?(?=\s*(;|:=|DEFAULT|NOT NULL))')
DECLARATIONS = re.compile(r"(\s*DECLARE\b)(.*?)(\nBEGIN\b)", re.S)


def plpgsql(function, body):
    """The body's tree, in a function whose parameters have their names and no type that matters."""
    parameters = [(it.mode.value, it.name) for it in function.parameters or ()]
    outputs = [name for mode, name in parameters if mode in "ob"]
    columns = ", ".join(f'"{name}" text' for mode, name in parameters if mode == "t")
    inputs = ", ".join(
        f'{"OUT " if mode == "o" else "INOUT " if mode == "b" else ""}"{name}" text'
        for mode, name in parameters
        if mode != "t"
    )
    result = function.returnType.names[-1].sval if function.returnType else ""
    if columns:
        returns = f"RETURNS TABLE ({columns})"
    elif outputs:
        returns = ""
    elif function.returnType.setof:
        returns = "RETURNS SETOF text"
    else:
        returns = "RETURNS " + (result if result in ("trigger", "void") else "text")
    declared = DECLARATIONS.match(body)
    if declared:
        plain = QUALIFIED.sub(lambda it: "text" if it[6] or it[3] else "record", declared[2])
        body = body[: declared.start(2)] + plain + body[declared.end(2) :]
    tag = "$pglast$"
    while tag in body:
        tag = tag[:-1] + "x$"
    return parse_plpgsql(f"CREATE FUNCTION f({inputs}) {returns} LANGUAGE plpgsql AS {tag}{body}{tag}")


def query_shape(query, mode):
    if mode == 0:
        return fingerprint(query)
    if mode >= 3:
        query = re.split(r":=|=", query, maxsplit=1)[1]
    return fingerprint("SELECT " + query)


def body_shape(node, dynamic):
    if isinstance(node, list):
        return [body_shape(it, dynamic) for it in node]
    if not isinstance(node, dict):
        return node
    for kind in ("PLpgSQL_stmt_dynexecute", "PLpgSQL_stmt_dynfors"):
        if kind in node:
            dynamic.append(node[kind]["query"]["PLpgSQL_expr"]["query"])
    if "PLpgSQL_expr" in node:
        expression = node["PLpgSQL_expr"]
        return query_shape(expression["query"], expression.get("parseMode", 0))
    return {key: body_shape(value, dynamic) for key, value in node.items() if key not in ("lineno", "message")}


def described(raw, text):
    statement = raw.stmt
    kind = type(statement).__name__
    dynamic = []
    source = text[raw.stmt_location : raw.stmt_location + raw.stmt_len] if raw.stmt_len else text[raw.stmt_location :]
    if kind == "CreateFunctionStmt":
        language, body = options(statement)
        if language == "plpgsql":
            shape = json.dumps(body_shape(plpgsql(statement, body), dynamic))
        else:
            shape = json.dumps([fingerprint(body), language])
    elif kind == "CommentStmt":
        shape = statement.objtype.name
    else:
        shape = fingerprint(source)
    return {"kind": kind, "name": name_of(statement, kind), "shape": shape, "dynamic": dynamic}


def answer(text):
    try:
        # pglast's places are those of the characters.
        return {"statements": [described(raw, text) for raw in parse_sql(text)]}
    except Exception as error:  # whatever it is, the test shows it
        return {"error": f"{type(error).__name__}: {error}"}


for line in sys.stdin:
    print(json.dumps(answer(json.loads(line))), flush=True)
