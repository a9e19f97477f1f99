//! PostgreSQL's own grammar, by pglast: which statements a text really is, without a server.

use serde_json::Value;
use specql_compiler::internals::sql::{Definition, Object, ObjectKind};

use crate::tool::Script;

/// A Python process that reads SQL.
#[derive(Debug)]
pub struct Grammar(Script);

/// What one statement is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// The node of PostgreSQL's syntax tree: `CreateFunctionStmt`.
    pub kind: String,
    /// The object's name with its schema, without quotes; `name ON table` for what belongs to one.
    pub name: String,
    /// The tree apart from its constants, bodies of functions included: equal for statements that do the same.
    pub shape: String,
    /// The expressions that a body gives to `EXECUTE`.
    pub dynamic: Vec<String>,
}

impl Grammar {
    /// Starts the process.
    ///
    /// # Panics
    /// When Python or pglast is missing.
    #[must_use]
    pub fn start() -> Self {
        Self(Script::start(include_str!("grammar.py")))
    }

    /// The statements of a text, or why PostgreSQL would not read it. Bodies of functions are read too.
    ///
    /// # Errors
    /// What pglast says.
    ///
    /// # Panics
    /// When the process ends, as it does where pglast is not installed.
    pub fn statements(&mut self, sql: &str) -> Result<Vec<Statement>, String> {
        let answer = self.0.ask(&Value::from(sql));
        if let Some(error) = answer["error"].as_str() {
            return Err(error.to_owned());
        }
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let statement = |it: &Value| Statement {
            kind: text(&it["kind"]),
            name: text(&it["name"]),
            shape: text(&it["shape"]),
            dynamic: it["dynamic"].as_array().into_iter().flatten().map(text).collect(),
        };
        Ok(answer["statements"].as_array().into_iter().flatten().map(statement).collect())
    }
}

/// The statements, kind and name, that make an object of the model: what its text must be read as, and nothing besides.
#[must_use]
pub fn expected(object: &Object) -> Vec<(String, String)> {
    let plain = object.name.replace('"', "");
    let name = plain.split('(').next().unwrap_or_default().to_owned();
    let mut statements = Vec::new();
    if let Definition::Table(table) = &object.definition {
        statements.push(("CreateStmt".to_owned(), name.clone()));
        statements.extend(table.comment.iter().map(|_| ("CommentStmt".to_owned(), name.clone())));
        let commented = table.columns.iter().filter(|column| column.comment.is_some());
        statements.extend(
            commented.map(|column| ("CommentStmt".to_owned(), format!("{name}.{}", column.name.replace('"', "")))),
        );
        return statements;
    }
    for (position, statement) in object.create().iter().enumerate() {
        // A statement's first word is ours; what PostgreSQL makes of the whole is the question.
        let kind = match (statement.split(' ').next(), object.kind) {
            (Some("COMMENT"), _) => "CommentStmt",
            (Some("GRANT" | "REVOKE"), _) => "GrantStmt",
            (Some("ALTER"), _) => "AlterTableStmt",
            (Some("DO"), ObjectKind::Policy) => "DoStmt",
            // A body of a user's own is read later.
            (Some("SET"), ObjectKind::Function) => "VariableSetStmt",
            (Some("CREATE"), ObjectKind::Function) => "CreateFunctionStmt",
            (_, _) if position > 0 => "a second statement of an object",
            (_, ObjectKind::Schema) => "CreateSchemaStmt",
            (_, ObjectKind::Type) => "CompositeTypeStmt",
            (_, ObjectKind::Table) => "CreateStmt",
            (_, ObjectKind::Index) => "IndexStmt",
            (_, ObjectKind::Function) => "another statement of a function",
            (_, ObjectKind::Trigger) => "CreateTrigStmt",
            (_, ObjectKind::View) => "ViewStmt",
            (_, ObjectKind::Policy) => "CreatePolicyStmt",
            (_, ObjectKind::Data) => "InsertStmt",
            (_, ObjectKind::Role | ObjectKind::Grant | ObjectKind::Constraint) => "DoStmt",
        };
        // Rows are named by their key, and go into the queue's tables.
        let table = statement.strip_prefix("INSERT INTO ").and_then(|rest| rest.split([' ', '(']).next());
        let named = match kind {
            "DoStmt" | "VariableSetStmt" => "",
            "AlterTableStmt" => name.strip_prefix("row level security ON ").unwrap_or(&name),
            _ if object.kind == ObjectKind::Data => table.unwrap_or_default(),
            _ => &name,
        };
        statements.push((kind.to_owned(), named.to_owned()));
    }
    statements
}
