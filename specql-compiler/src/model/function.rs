//! Functions: those of the language, and those that an entity has under `functions:`.

use super::{EntityId, FieldType};
use crate::source::Origin;

/// What PostgreSQL may assume of a function; the greater, the less.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Volatility {
    /// Depends on its arguments alone.
    Immutable,
    /// Reads.
    Stable,
    /// Writes or locks.
    #[default]
    Volatile,
}

impl Volatility {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Immutable, Self::Stable, Self::Volatile];

    /// The name in YAML.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Immutable => "immutable",
            Self::Stable => "stable",
            Self::Volatile => "volatile",
        }
    }
}

/// A [`SqlFunction`] of a model.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FunctionId {
    /// The entity that declares it.
    pub entity: EntityId,
    /// Index into [`super::Entity::functions`].
    pub index: usize,
}

/// A function that the user writes in SQL and names under `functions:`.
#[derive(Clone, Debug)]
pub struct SqlFunction {
    /// Its name.
    pub name: String,
    /// Where it is: the entity's schema, unless `schema:` says another.
    pub schema: String,
    /// Its parameters, in their order.
    pub args: Vec<Parameter>,
    /// What it returns; a ref is the target's UUID.
    pub returns: FieldType,
    /// `returns: T!`: never NULL.
    pub never_null: bool,
    /// What PostgreSQL may assume of it.
    pub volatility: Volatility,
    /// What the migrations make it of. `None`: it is only declared, and somebody else makes it.
    pub body: Option<Body>,
    /// Where it is declared.
    pub origin: Origin,
}

/// A function that is only declared, as a database is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Declared {
    /// For people: `sales.tax(amount numeric) returns numeric`.
    pub shown: String,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// How many arguments it is given.
    pub arguments: usize,
    /// A query that calls it as steps do. It is never run: PostgreSQL says whether it could be.
    pub probe: String,
}

/// The body of a [`SqlFunction`].
#[derive(Clone, Debug)]
pub struct Body {
    /// What it is written in.
    pub language: Language,
    /// What stands between the quotes, with LF at the ends of lines.
    pub text: String,
    /// The file that holds it: `sql/tax.sql`.
    pub path: String,
}

/// What a [`Body`] is written in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// Statements, of which the last one's first row is the value.
    #[default]
    Sql,
    /// A block, `BEGIN … END`, that returns the value.
    Plpgsql,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Sql, Self::Plpgsql];

    /// The name, in YAML and in SQL.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sql => "sql",
            Self::Plpgsql => "plpgsql",
        }
    }
}

/// A parameter of a [`SqlFunction`].
#[derive(Clone, Debug)]
pub struct Parameter {
    /// Its name.
    pub name: String,
    /// Its type; a ref is the target's UUID.
    pub ty: FieldType,
    /// It is never given NULL.
    pub required: bool,
}

/// A function of the language: one record, from which the checker, the printer and the reference are fed.
#[derive(Debug)]
pub struct Function {
    /// Its name.
    pub name: &'static str,
    /// How it is called.
    pub usage: &'static str,
    /// What it does, for the reference.
    pub doc: &'static str,
    /// The fewest and the most arguments.
    pub arguments: (usize, usize),
    /// Which types it takes and returns.
    pub signature: Signature,
    /// What it is in SQL.
    pub form: Form,
    /// What PostgreSQL may assume of it.
    pub volatility: Volatility,
}

/// What a [`Function`] is in SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// PostgreSQL's function of the same name.
    Same,
    /// Ours, of the same name, in schema `app`.
    Own,
    /// An expression that is cast, with its arguments in the places of `{0}`, `{1}`, …. One for each number of arguments, from the
    /// fewest on.
    Cast(&'static [&'static str]),
    /// The same, which is a call or stands in parentheses.
    Atom(&'static [&'static str]),
}

/// The types that a [`Function`] takes and returns.
#[derive(Clone, Copy, Debug)]
pub enum Signature {
    /// Parameters of these kinds, of which the last ones may be left out, and a result. The last kind is that of all
    /// further arguments.
    Of(&'static [Kind], Kind, Nulls),
    /// Values of one type, which is that of the result.
    Same(Nulls),
    /// It has a rule of its own in the checker.
    Own,
}

/// The kind of a parameter or result in [`Signature::Of`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that is not NULL.
    Name,
    /// A whole number.
    Integer,
    /// True or false.
    Boolean,
    /// A JSON value, a list or an object.
    Json,
    /// Any value, as JSON.
    Any,
    /// A point in time.
    Timestamp,
}

/// When a function's result is NULL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nulls {
    /// Never.
    Never,
    /// When an argument is.
    WhenOneIs,
    /// When all arguments are.
    WhenAllAre,
    /// It may be whatever the arguments are.
    Perhaps,
}

/// PostgreSQL takes no more arguments in a call.
const MOST: usize = 100;

/// The functions that expressions may call. None of them reads files, waits or reaches another server.
pub const FUNCTIONS: &[Function] = &[
    function(
        "now",
        "now()",
        "the time at which the transaction began",
        (0, 0),
        Signature::Of(&[], Kind::Timestamp, Nulls::Never),
    )
    .stable(),
    function(
        "coalesce",
        "coalesce(a, b, …)",
        "the first argument that is not NULL",
        (1, MOST),
        Signature::Same(Nulls::WhenAllAre),
    ),
    function("nullif", "nullif(a, b)", "NULL where both are equal, else `a`", (2, 2), Signature::Own),
    function("lower", "lower(text)", "the text in lower case", (1, 1), TEXT),
    function("upper", "upper(text)", "the text in upper case", (1, 1), TEXT),
    function(
        "length",
        "length(text)",
        "how many characters the text has",
        (1, 1),
        Signature::Of(&[Kind::Text], Kind::Integer, Nulls::WhenOneIs),
    ),
    function("trim", "trim(text)", "the text without blanks at its ends", (1, 1), TEXT),
    function(
        "replace",
        "replace(text, from, to)",
        "the text with every `from` replaced",
        (3, 3),
        Signature::Of(&[Kind::Text, Kind::Text, Kind::Text], Kind::Text, Nulls::WhenOneIs),
    ),
    function(
        "left",
        "left(text, count)",
        "the first characters; all but the last ones where `count` is negative",
        (2, 2),
        PART,
    ),
    function(
        "right",
        "right(text, count)",
        "the last characters; all but the first ones where `count` is negative",
        (2, 2),
        PART,
    ),
    function(
        "starts_with",
        "starts_with(text, prefix)",
        "whether the text begins so",
        (2, 2),
        Signature::Of(&[Kind::Text, Kind::Text], Kind::Boolean, Nulls::WhenOneIs),
    ),
    function(
        "round",
        "round(number) or round(decimal, digits)",
        "the nearest number with so many digits",
        (1, 2),
        Signature::Own,
    ),
    function("abs", "abs(number)", "the number without its sign", (1, 1), Signature::Own),
    function("ceil", "ceil(number)", "the next whole number, upwards", (1, 1), Signature::Own),
    function("floor", "floor(number)", "the next whole number, downwards", (1, 1), Signature::Own),
    function("concat", "concat(a, b, …)", "the arguments as one text; NULL is left out", (1, MOST), Signature::Own)
        .stable(),
    function(
        "greatest",
        "greatest(a, b, …)",
        "the greatest argument; NULL is left out",
        (1, MOST),
        Signature::Same(Nulls::WhenAllAre),
    ),
    function(
        "least",
        "least(a, b, …)",
        "the least argument; NULL is left out",
        (1, MOST),
        Signature::Same(Nulls::WhenAllAre),
    ),
    function(
        "date_trunc",
        "date_trunc('day', timestamp)",
        "the beginning of the time's second, day, month, …",
        (2, 2),
        Signature::Own,
    )
    .stable(),
    function("today", "today() or today('Europe/Berlin')", "the date at which the transaction began, in UTC or in a time zone", (0, 1), Signature::Own)
        .stable()
        .written(Form::Cast(&["(now() AT TIME ZONE {0})::date"])),
    function("date_of", "date_of(timestamp, 'Europe/Berlin')", "the time's date in a time zone", (2, 2), Signature::Own)
        .written(Form::Cast(&["({0} AT TIME ZONE {1})::date"])),
    function(
        "start_of_day",
        "start_of_day(date, 'Europe/Berlin')",
        "the time at which the day begins in a time zone",
        (2, 2),
        Signature::Own,
    )
    .written(Form::Atom(&["({0}::timestamp AT TIME ZONE {1})"])),
    function("end_of_month", "end_of_month(date)", "the last day of the date's month", (1, 1), Signature::Own)
        .written(Form::Cast(&["(date_trunc('month', {0}::timestamp) + make_interval(months => 1, days => -1))::date"])),
    function(
        "date_part",
        "date_part('month', date) or date_part('hour', timestamp, 'Europe/Berlin')",
        "the date's year, quarter, month, week, day, isodow or doy; the time's hour, minute and second in a time zone, too",
        (2, 3),
        Signature::Own,
    )
    .written(Form::Cast(&[
        "floor(date_part({0}, {1}))::integer",
        "floor(date_part({0}, {1} AT TIME ZONE {2}))::integer",
    ])),
    function("days", "days(count)", "a length of time of so many days", (1, 1), Signature::Own)
        .written(Form::Atom(&["make_interval(days => {0})"])),
    function("weeks", "weeks(count)", "a length of time of so many weeks", (1, 1), Signature::Own)
        .written(Form::Atom(&["make_interval(weeks => {0})"])),
    function(
        "months",
        "months(count)",
        "a length of time of so many months: added to the 31st, it ends at the last day of a shorter month",
        (1, 1),
        Signature::Own,
    )
    .written(Form::Atom(&["make_interval(months => {0})"])),
    function("years", "years(count)", "a length of time of so many years", (1, 1), Signature::Own)
        .written(Form::Atom(&["make_interval(years => {0})"])),
    function(
        "minor_units",
        "minor_units(amount, currency)",
        "money in its currency's smallest unit, as integer",
        (2, 2),
        Signature::Own,
    )
    .ours(),
    function(
        "jsonb_typeof",
        "jsonb_typeof(json)",
        "object, array, string, number, boolean or null, as text",
        (1, 1),
        Signature::Of(&[Kind::Json], Kind::Text, Nulls::WhenOneIs),
    ),
    function(
        "jsonb_array_length",
        "jsonb_array_length(json)",
        "how many elements an array has; NULL of anything else",
        (1, 1),
        Signature::Of(&[Kind::Json], Kind::Integer, Nulls::Perhaps),
    )
    .ours(),
    function(
        "jsonb_extract_path",
        "jsonb_extract_path(json, 'key', …)",
        "what stands at a path; NULL where nothing is",
        (2, MOST),
        Signature::Of(&[Kind::Json, Kind::Text], Kind::Json, Nulls::Perhaps),
    ),
    function(
        "jsonb_extract_path_text",
        "jsonb_extract_path_text(json, 'key', …)",
        "the same, as text",
        (2, MOST),
        Signature::Of(&[Kind::Json, Kind::Text], Kind::Text, Nulls::Perhaps),
    ),
    function(
        "jsonb_exists",
        "jsonb_exists(json, 'key')",
        "whether an object has the key, or an array the text",
        (2, 2),
        Signature::Of(&[Kind::Json, Kind::Text], Kind::Boolean, Nulls::WhenOneIs),
    ),
    function(
        "jsonb_build_object",
        "jsonb_build_object('key', value, …)",
        "an object of keys and values",
        (0, MOST),
        Signature::Own,
    )
    .stable(),
    function(
        "jsonb_build_array",
        "jsonb_build_array(a, b, …)",
        "an array of the arguments",
        (0, MOST),
        Signature::Of(&[Kind::Any], Kind::Json, Nulls::Never),
    )
    .stable(),
    function(
        "jsonb_strip_nulls",
        "jsonb_strip_nulls(json)",
        "the JSON without the keys whose value is null",
        (1, 1),
        Signature::Of(&[Kind::Json], Kind::Json, Nulls::WhenOneIs),
    ),
];

/// From a text to a text.
const TEXT: Signature = Signature::Of(&[Kind::Text], Kind::Text, Nulls::WhenOneIs);

/// A part of a text.
const PART: Signature = Signature::Of(&[Kind::Text, Kind::Integer], Kind::Text, Nulls::WhenOneIs);

const fn function(
    name: &'static str,
    usage: &'static str,
    doc: &'static str,
    arguments: (usize, usize),
    signature: Signature,
) -> Function {
    Function { name, usage, doc, arguments, signature, form: Form::Same, volatility: Volatility::Immutable }
}

impl Function {
    const fn stable(self) -> Self {
        Self { volatility: Volatility::Stable, ..self }
    }

    const fn ours(self) -> Self {
        Self { form: Form::Own, ..self }
    }

    const fn written(self, form: Form) -> Self {
        Self { form, ..self }
    }

    /// The function of that name, in any case.
    #[must_use]
    pub fn find(name: &str) -> Option<&'static Self> {
        FUNCTIONS.iter().find(|function| function.name.eq_ignore_ascii_case(name))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_function_says_how_it_is_called_and_what_it_does() {
        let mut names = BTreeSet::new();
        for function in FUNCTIONS {
            assert!(names.insert(function.name), "{} stands twice", function.name);
            assert!(function.usage.starts_with(&format!("{}(", function.name)), "{}", function.usage);
            assert!(!function.doc.is_empty());
        }
    }
}
