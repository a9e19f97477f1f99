//! Typed expressions.

use specql_registry::{Basic, ValueType, scalars::Scalar};

use super::{EntityId, FieldId, VarId, function::FunctionId, step::Source};
pub use crate::syntax::expr::{BinaryOp, RowsFunction, UnaryOp};

/// An expression whose names are resolved and whose type is known.
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    /// What it computes.
    pub kind: ExprKind,
    /// The type of its value.
    pub ty: ExprType,
    /// Whether it may be NULL.
    pub nullable: bool,
}

/// The type of an expression's value.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprType {
    /// A value.
    Value(ValueType),
    /// A reference to a row of this entity. Columns of ref fields have this type; so has a `$order` that is used as a
    /// value. In SQL it is the target's `pk`; leaving the database (a service's input, a correlation id) it is the
    /// target's UUID, by [`ExprKind::PublicId`].
    Ref(EntityId),
    /// An interval (`delay` arithmetic on timestamps).
    Interval,
    /// A bare NULL.
    Null,
}

/// What an expression computes.
#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// A constant.
    Literal(Literal),
    /// A column of the statement's own row: in `WHERE` and `SET` of an update, delete or find.
    Column {
        /// The statement's entity.
        entity: EntityId,
        /// The column.
        column: ColumnRef,
    },
    /// A column of the row in a variable: `$order.total`, or a bare `total` where there is a current row.
    VarColumn {
        /// The variable.
        var: VarId,
        /// The column.
        column: ColumnRef,
    },
    /// The row in a variable itself, of type [`ExprType::Ref`]: its `pk`.
    Row(VarId),
    /// A column of the row that a ref points to: `$order.customer.email`.
    Follow {
        /// An expression of type [`ExprType::Ref`].
        base: Box<Expr>,
        /// The entity it points to.
        entity: EntityId,
        /// The column there.
        column: ColumnRef,
    },
    /// A member of a composite: `$order.address.city`.
    Member {
        /// The composite.
        base: Box<Expr>,
        /// The member's name.
        name: String,
    },
    /// The public id (UUID) of what an expression of type [`ExprType::Ref`] points to.
    PublicId(Box<Expr>),
    /// The value as it is written in a text: a date and a time in ISO 8601, the time in UTC.
    TextOf(Box<Expr>),
    /// The primary key of the row with this public id (a UUID): what a ref column stores. Raises
    /// `validation:unknown_<field>` when there is none.
    KeyOf {
        /// The target.
        entity: EntityId,
        /// A UUID.
        id: Box<Expr>,
        /// The input or field name, for the message.
        field: String,
    },
    /// `$input.x` of the action. In a ref input its type is [`ExprType::Ref`] by way of [`ExprKind::KeyOf`].
    Input(String),
    /// The value in a variable: `$tag` in `foreach: tag in $input.tags`.
    Value(String),
    /// The element in `$each` of `{$for: tag in $order.tags, $each: …}`; the name is unique in its function.
    Element(String),
    /// `$payment.job_id` of an earlier `call_service … as: payment`.
    JobId(String),
    /// `$job.<field>` in a callback.
    Job(JobField),
    /// `$output.a.b` in an on_success callback; the type is that of the schema.
    Output(Vec<String>),
    /// `$error.message` or `$error.kind` in an on_failure callback.
    Error(ErrorField),
    /// A prefix operator.
    Unary(UnaryOp, Box<Expr>),
    /// An infix operator.
    Binary(BinaryOp, Box<Expr>, Box<Expr>),
    /// `a [NOT] IN (b, c)`.
    In {
        /// The left side.
        value: Box<Expr>,
        /// One or more.
        list: Vec<Expr>,
        /// `NOT IN`.
        negated: bool,
    },
    /// `a [NOT] LIKE b`, `a [NOT] ILIKE b`.
    Like {
        /// The left side.
        value: Box<Expr>,
        /// The pattern.
        pattern: Box<Expr>,
        /// `ILIKE`.
        any_case: bool,
        /// `NOT LIKE`.
        negated: bool,
    },
    /// `a [NOT] BETWEEN b AND c`.
    Between {
        /// The left side.
        value: Box<Expr>,
        /// The lower bound, included.
        low: Box<Expr>,
        /// The upper bound, included.
        high: Box<Expr>,
        /// `NOT BETWEEN`.
        negated: bool,
    },
    /// `a IS [NOT] NULL`.
    IsNull {
        /// What is asked.
        value: Box<Expr>,
        /// `IS NOT NULL`.
        negated: bool,
    },
    /// `CASE WHEN … THEN … ELSE … END` (the searched form; `CASE x WHEN` is rewritten to it).
    Case {
        /// Condition and value.
        branches: Vec<(Expr, Expr)>,
        /// `ELSE`.
        otherwise: Option<Box<Expr>>,
    },
    /// A function of the documented list.
    Call {
        /// Its name: a row of [`super::function::FUNCTIONS`].
        function: &'static str,
        /// Its arguments.
        args: Vec<Expr>,
    },
    /// The next number of a sequence.
    Sequence {
        /// With the schema of the entity whose action takes it: `billing.invoice_no`.
        name: String,
        /// Each tenant has numbers of its own.
        of_tenant: bool,
    },
    /// A list in YAML's own brackets, not all constant: of a list type, or JSON.
    List(Vec<Expr>),
    /// An object in YAML's own brackets, not all constant: JSON of the type's shape, or any. A field of the shape whose value
    /// is NULL is left out.
    Object {
        /// Name and value.
        fields: Vec<(String, Expr)>,
        /// Those without which there is no object: if the value of one of them is NULL, so is the whole.
        vital: Vec<String>,
    },
    /// `{$for: x in …, $each: …}`: a list with a value for each element or row; never NULL.
    Each(Box<Each>),
    /// A function of `functions:`. Where it returns a ref, [`ExprKind::KeyOf`] is around it.
    UserCall {
        /// Which one.
        function: FunctionId,
        /// Its arguments, one for each parameter, in their order; a ref is given as its public id.
        args: Vec<Expr>,
    },
    /// What the live rows of an entity give together.
    OfRows(Box<OfRows>),
}

/// `sum(Order.total WHERE …)`.
#[derive(Clone, Debug, PartialEq)]
pub struct OfRows {
    /// What is made of them.
    pub function: RowsFunction,
    /// Whose rows.
    pub entity: EntityId,
    /// A column of the row, [`ExprKind::Column`]; not of `count` and `exists`.
    pub value: Option<Expr>,
    /// Which rows; a [`ExprKind::Column`] in it is of these rows. `None`: all.
    pub condition: Option<Expr>,
}

/// A list that is made of another, or of rows.
#[derive(Clone, Debug, PartialEq)]
pub struct Each {
    /// What it goes through. Its variable is known in `value` only.
    pub source: Source,
    /// The value for each of them.
    pub value: Expr,
}

/// A column of an entity's table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ColumnRef {
    /// A declared field.
    Field(FieldId),
    /// A column that every entity has.
    System(SystemColumn),
}

/// The columns that every entity has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum SystemColumn {
    /// `id`, the public UUID.
    Id,
    Identifier,
    TenantId,
    CreatedAt,
    UpdatedAt,
    CreatedBy,
    UpdatedBy,
    DeletedAt,
    DeletedBy,
}

impl SystemColumn {
    /// All of them, in the order in which tables have them.
    pub const ALL: [Self; 9] = [
        Self::Id,
        Self::Identifier,
        Self::TenantId,
        Self::CreatedAt,
        Self::UpdatedAt,
        Self::CreatedBy,
        Self::UpdatedBy,
        Self::DeletedAt,
        Self::DeletedBy,
    ];

    /// The name in YAML and of the column.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Identifier => "identifier",
            Self::TenantId => "tenant_id",
            Self::CreatedAt => "created_at",
            Self::UpdatedAt => "updated_at",
            Self::CreatedBy => "created_by",
            Self::UpdatedBy => "updated_by",
            Self::DeletedAt => "deleted_at",
            Self::DeletedBy => "deleted_by",
        }
    }

    /// The column of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|column| column.name() == name)
    }
}

/// A constant. Numbers keep their text, so nothing is lost.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)] // the names say it
pub enum Literal {
    Null,
    Boolean(bool),
    /// Digits with an optional sign.
    Integer(String),
    /// Digits, a point, digits, with an optional sign.
    Decimal(String),
    Text(String),
    /// `INTERVAL '10 minutes'`, in seconds.
    Interval(i64),
    /// A JSON document (the default of a json or list field).
    Json(serde_json::Value),
}

/// `$job.<field>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum JobField {
    /// UUID.
    Id,
    Service,
    Operation,
    CorrelationId,
    /// Attempts made.
    Attempts,
}

/// `$error.<field>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorField {
    /// What happened, for people.
    Message,
    /// The failure class.
    Kind,
}

impl Expr {
    /// Visits the expressions of which this one is made, not those of which they are made.
    pub fn children<'a>(&'a self, visit: &mut dyn FnMut(&'a Self)) {
        match &self.kind {
            ExprKind::Literal(_)
            | ExprKind::Column { .. }
            | ExprKind::VarColumn { .. }
            | ExprKind::Row(_)
            | ExprKind::Input(_)
            | ExprKind::Value(_)
            | ExprKind::Element(_)
            | ExprKind::JobId(_)
            | ExprKind::Job(_)
            | ExprKind::Output(_)
            | ExprKind::Error(_)
            | ExprKind::Sequence { .. } => {}
            ExprKind::Follow { base: inner, .. }
            | ExprKind::Member { base: inner, .. }
            | ExprKind::PublicId(inner)
            | ExprKind::TextOf(inner)
            | ExprKind::KeyOf { id: inner, .. }
            | ExprKind::Unary(_, inner)
            | ExprKind::IsNull { value: inner, .. } => visit(inner),
            ExprKind::Binary(_, left, right) => {
                visit(left);
                visit(right);
            }
            ExprKind::In { value, list, .. } => {
                visit(value);
                list.iter().for_each(visit);
            }
            ExprKind::Like { value, pattern, .. } => {
                visit(value);
                visit(pattern);
            }
            ExprKind::Between { value, low, high, .. } => {
                visit(value);
                visit(low);
                visit(high);
            }
            ExprKind::Case { branches, otherwise } => {
                for (condition, value) in branches {
                    visit(condition);
                    visit(value);
                }
                if let Some(value) = otherwise {
                    visit(value);
                }
            }
            ExprKind::OfRows(rows) => rows.value.iter().chain(&rows.condition).for_each(visit),
            ExprKind::Object { fields, .. } => fields.iter().for_each(|(_, value)| visit(value)),
            ExprKind::Each(each) => {
                match &each.source {
                    Source::Rows { condition, limit, .. } => condition.iter().chain(limit).for_each(&mut *visit),
                    Source::Values { list, .. } => visit(list),
                }
                visit(&each.value);
            }
            ExprKind::Call { args, .. } | ExprKind::UserCall { args, .. } | ExprKind::List(args) => {
                args.iter().for_each(visit)
            }
        }
    }
}

impl ExprType {
    /// A basic type.
    #[must_use]
    pub const fn basic(basic: Basic) -> Self {
        Self::Value(ValueType::Basic(basic))
    }

    /// The scalar `uuid`.
    ///
    /// # Panics
    /// Never: the table has it.
    #[must_use]
    pub fn uuid() -> Self {
        Self::Value(ValueType::Scalar(Scalar::from_name("uuid").expect("the table has it")))
    }
}
