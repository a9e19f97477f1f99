//! The operators of expressions, and whatever else may stand in one. The checked model has the same operators.

use super::parser::power;

/// A prefix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum UnaryOp {
    Not,
    Negate,
}

/// An infix operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the names say it
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    Divide,
    Remainder,
    Concat,
    Equal,
    NotEqual,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    And,
    Or,
    Matches,
    MatchesAnyCase,
    NotMatches,
    NotMatchesAnyCase,
}

impl BinaryOp {
    /// The operator as it is written.
    #[must_use]
    pub const fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Remainder => "%",
            Self::Concat => "||",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessOrEqual => "<=",
            Self::Greater => ">",
            Self::GreaterOrEqual => ">=",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Matches => "~",
            Self::MatchesAnyCase => "~*",
            Self::NotMatches => "!~",
            Self::NotMatchesAnyCase => "!~*",
        }
    }
}

/// An infix operator as it is written.
#[derive(Clone, Copy, Debug)]
pub struct Infix {
    /// `<>`.
    pub written: &'static str,
    /// What it is.
    pub operator: BinaryOp,
    /// How strongly it binds.
    pub power: u8,
    /// What it makes of its two sides, for the reference.
    pub doc: &'static str,
}

const fn infix(written: &'static str, operator: BinaryOp, power: u8, doc: &'static str) -> Infix {
    Infix { written, operator, power, doc }
}

/// Every infix operator. The parser knows no others.
pub const INFIX: &[Infix] = &[
    infix("*", BinaryOp::Multiply, power::PRODUCT, "the product of two numbers; of a number and a length of time"),
    infix(
        "/",
        BinaryOp::Divide,
        power::PRODUCT,
        "the quotient; of two integers a whole number: `7 / 2` is `3`; of a length of time and a number",
    ),
    infix("%", BinaryOp::Remainder, power::PRODUCT, "the remainder of the division of two numbers; not of floats"),
    infix(
        "+",
        BinaryOp::Add,
        power::SUM,
        "the sum of two numbers, or of two lengths of time; a timestamp that is later by a length of time, a date that is later by \
         whole days, weeks, months or years",
    ),
    infix(
        "-",
        BinaryOp::Subtract,
        power::SUM,
        "the difference; a timestamp or a date that is earlier by a length of time; the length of time between two timestamps; the \
         days from the second date to the first",
    ),
    infix(
        "||",
        BinaryOp::Concat,
        power::CONCAT,
        "a text and another single value, joined; NULL if one of them is (`concat` leaves NULL out)",
    ),
    infix("~", BinaryOp::Matches, power::CONCAT, "whether a part of a text matches a regular expression"),
    infix("~*", BinaryOp::MatchesAnyCase, power::CONCAT, "the same, in capitals or not"),
    infix("!~", BinaryOp::NotMatches, power::CONCAT, "whether no part of a text matches a regular expression"),
    infix("!~*", BinaryOp::NotMatchesAnyCase, power::CONCAT, "the same, in capitals or not"),
    infix("=", BinaryOp::Equal, power::COMPARISON, "whether both are equal"),
    infix("<>", BinaryOp::NotEqual, power::COMPARISON, "whether they differ"),
    infix("!=", BinaryOp::NotEqual, power::COMPARISON, "the same as `<>`"),
    infix("<", BinaryOp::Less, power::COMPARISON, "whether the left side is less"),
    infix("<=", BinaryOp::LessOrEqual, power::COMPARISON, "whether the left side is less or equal"),
    infix(">", BinaryOp::Greater, power::COMPARISON, "whether the left side is greater"),
    infix(">=", BinaryOp::GreaterOrEqual, power::COMPARISON, "whether the left side is greater or equal"),
    infix("AND", BinaryOp::And, power::AND, "whether both are true"),
    infix("OR", BinaryOp::Or, power::OR, "whether one of them is true"),
];

/// The operators that are words or signs of their own, with how strongly they bind.
const OTHERS: &[(u8, &str)] = &[
    (power::SIGN, "the sign `-`"),
    (power::RANGE, "`LIKE`, `ILIKE`, `IN`, `BETWEEN`"),
    (power::IS, "`IS NULL`"),
    (power::NOT, "`NOT`"),
];

/// All operators that bind equally, for each strength: the strongest first.
#[must_use]
pub fn by_strength() -> Vec<String> {
    let strengths = (power::LOWEST..=power::SIGN).rev();
    let equal = |strength: u8| {
        let infix = INFIX.iter().filter(|infix| infix.power == strength).map(|infix| format!("`{}`", infix.written));
        let others = OTHERS.iter().filter(|(power, _)| *power == strength).map(|(_, words)| (*words).to_owned());
        infix.chain(others).collect::<Vec<_>>().join(", ")
    };
    strengths.map(equal).filter(|operators| !operators.is_empty()).collect()
}

/// What else may stand in an expression: examples of it, and what it is.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// Each is an expression over the entity of the reference.
    pub examples: &'static [&'static str],
    /// What it is, for the reference.
    pub doc: &'static str,
}

/// Operators that do not simply stand between two values; those that bind strongest first.
pub const FORMS: &[Form] = &[
    Form { examples: &["(price + 1) * 2"], doc: "brackets say what belongs together" },
    Form { examples: &["-price"], doc: "the number with the other sign" },
    Form {
        examples: &["status IN ('open', 'paid')", "status NOT IN ('paid')"],
        doc: "whether the value is one of those in the list; the list is written out",
    },
    Form {
        examples: &["name LIKE 'A%'", "name NOT LIKE '_b%'"],
        doc: "whether a text has the pattern's form: `%` stands for any characters, `_` for one, `\\` before them for themselves",
    },
    Form { examples: &["name ILIKE 'a%'", "name NOT ILIKE '_b%'"], doc: "the same, in capitals or not" },
    Form {
        examples: &["price BETWEEN 1 AND 10", "price NOT BETWEEN 1 AND 10"],
        doc: "whether the value is at least the first and at most the second",
    },
    Form { examples: &["note IS NULL", "note IS NOT NULL"], doc: "whether there is no value; `= NULL` is refused" },
    Form { examples: &["NOT paid"], doc: "whether it is false" },
    Form {
        examples: &[
            "CASE WHEN price > 10 THEN 'dear' WHEN price > 1 THEN 'fair' ELSE 'cheap' END",
            "CASE status WHEN 'open' THEN 1 ELSE 0 END",
        ],
        doc: "the value of the first `WHEN` that is true, or equal to the value behind `CASE`; else that of `ELSE`, or NULL",
    },
];

/// Constants.
pub const CONSTANTS: &[Form] = &[
    Form { examples: &["42", "1.50"], doc: "numbers; a point separates decimals, and there is no exponent" },
    Form {
        examples: &["'it''s'"],
        doc: "a text in single quotes; a quote in it is written twice. So are dates, times, UUIDs, members of enums and whatever else is written in letters; each is checked at compile time against the type that is wanted",
    },
    Form { examples: &["TRUE", "FALSE"], doc: "a boolean" },
    Form { examples: &["coalesce(note, NULL)"], doc: "`NULL` is no value" },
    Form {
        examples: &["now() - INTERVAL '3 days'", "now() + INTERVAL '1 week 2 hours 30 minutes'"],
        doc: "a length of time: whole numbers of seconds, minutes, hours, days or weeks",
    },
];

/// Names and values of rows.
pub const NAMES: &[Form] = &[
    Form {
        examples: &["price"],
        doc: "a field of the row that the statement is about: in `WHERE` and on the right of `SET`, a field of the entity that is named there; elsewhere a field of the action's own row",
    },
    Form {
        examples: &["$ticket.price", "$ticket.buyer.email"],
        doc: "a field of a row by the row's name; behind a reference, a field of the row that it refers to",
    },
    Form {
        examples: &["$input.amount"],
        doc: "an input of the action. `$output`, `$error` and `$job` are [for callbacks](../callbacks.md)",
    },
    Form { examples: &["lower(name)"], doc: "a call of a [function](functions.md), with arguments by position" },
];

/// What rows of an entity give together.
pub const ROWS: &[Form] = &[
    Form {
        examples: &["count(Ticket)", "count(Ticket WHERE status = 'open')"],
        doc: "how many rows there are; a bigint",
    },
    Form {
        examples: &["exists(Ticket WHERE buyer = $ticket.buyer AND id <> $ticket.id)"],
        doc: "whether there is a row",
    },
    Form {
        examples: &["sum(Ticket.price WHERE status = 'paid')", "coalesce(sum(Ticket.price), 0)"],
        doc: "the sum of a field of numbers or lengths of time: of `integer` a bigint, of `bigint` a decimal, of `money` money; NULL if there is no value",
    },
    Form {
        examples: &["avg(Ticket.price)"],
        doc: "the mean of a field of numbers or lengths of time: of whole numbers a decimal; NULL if there is no value",
    },
    Form {
        examples: &["min(Ticket.price)", "max(Ticket.created_at WHERE buyer = $ticket.buyer)"],
        doc: "the least and the greatest value of a field; NULL if there is no value",
    },
];

/// What SQL has and expressions do not: an example that is refused, and what to write instead.
pub const REFUSED: &[(&str, &str)] = &[
    ("name SIMILAR TO 'a%'", "`LIKE`, or a regular expression: `name ~ '^a'`"),
    ("price::text", "nothing: `||`, `concat` and texts write every single value as a text"),
    ("CAST(price AS text)", "as above; a text that is to be a number is an input or a field of that type"),
    ("EXISTS (select 1)", "`exists(Ticket WHERE status = 'open')`"),
    ("price = (select 1)", "a reference: `$ticket.buyer.email`; `max(Ticket.price WHERE …)`; or a step `find`"),
    ("price = ANY (1)", "`IN (…)`"),
    ("note IS DISTINCT FROM name", "`coalesce(note, '') <> coalesce(name, '')`"),
    ("paid IS TRUE", "`coalesce(paid, FALSE)`"),
    ("price ^ 2", "`price * price`"),
    ("paid == TRUE", "`=`"),
    ("paid && paid", "`AND`"),
    ("extract(year FROM created_at)", "`date_part('year', created_at, 'UTC')`"),
    ("sum(price)", "`sum(Ticket.price)`, of the rows of an entity"),
    ("tags[1]", "`jsonb_extract_path_text(tags, '0')`, which counts from 0"),
    ("doc -> 'a'", "`jsonb_extract_path(doc, 'a')`"),
    ("name || \"x\"", "single quotes: `'x'`"),
    ("INTERVAL '1 month'", "`months(1)`: months differ in length"),
    ("today() + INTERVAL '5 hours'", "`start_of_day(today(), 'UTC') + INTERVAL '5 hours'`: a date takes whole days"),
    ("created_at = today()", "`date_of(created_at, 'Europe/Berlin') = today('Europe/Berlin')`"),
];
