//! When a schedule is due: a cron rule in a time zone.
//!
//! The compiler asks whether a rule can be understood, the worker when it is due; one reading serves both.
//!
//! Where clocks are put forward, a rule for one time of day that does not exist that day (`30 2 * * *`) is due at the first
//! moment after the gap. Where they are put back, such a rule is due once, the first time round; a rule that repeats
//! within the hour (`*/30 * * * *`) goes on through both.

use std::{fmt, str::FromStr};

use chrono::{DateTime, Datelike, NaiveDate, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use croner::{
    Cron,
    parser::{CronParser, Seconds, Year},
};

/// The longest rule that is read, in characters.
const LONGEST: usize = 200;

/// What happens to the times at which no worker was there.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CatchUp {
    /// Nothing.
    None,
    /// The action is called once for all of them.
    #[default]
    One,
    /// The action is called for each, in their order.
    All,
}

/// A rule that says when something is due.
#[derive(Clone, Debug)]
pub struct Timing {
    cron: Cron,
    zone: Tz,
}

/// Why there is no [`Timing`].
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TimingError {
    /// The cron rule cannot be read.
    #[error("{0}")]
    Cron(String),
    /// There is no day on which the rule is due.
    #[error("it is never due")]
    Never,
    /// The time zone is not one of the IANA database.
    #[error("there is no such time zone")]
    Zone,
}

impl CatchUp {
    /// All of them, in the order in which the reference lists them.
    pub const ALL: [Self; 3] = [Self::None, Self::One, Self::All];

    /// The word in YAML and in the database.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::One => "one",
            Self::All => "all",
        }
    }

    /// The one of that word.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl Timing {
    /// The rule `cron` (five fields, or six with seconds before them) by the clocks of `zone`.
    ///
    /// # Errors
    /// [`TimingError`]
    pub fn new(cron: &str, zone: &str) -> Result<Self, TimingError> {
        let zone = Tz::from_str(zone).map_err(|_| TimingError::Zone)?;
        Ok(Self { cron: parse(cron)?, zone })
    }

    /// The first time after that moment.
    #[must_use]
    pub fn next_after(&self, moment: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let found = self.cron.find_next_occurrence(&moment.with_timezone(&self.zone), false).ok()?;
        Some(found.with_timezone(&Utc)).filter(|found| *found > moment)
    }

    /// The times after `from` up to `until`, the latest first.
    pub fn backwards(&self, from: DateTime<Utc>, until: DateTime<Utc>) -> impl Iterator<Item = DateTime<Utc>> {
        let mut at = until;
        let mut inclusive = true;
        std::iter::from_fn(move || {
            let found = self.cron.find_previous_occurrence(&at.with_timezone(&self.zone), inclusive).ok()?;
            let found = found.with_timezone(&Utc);
            let in_order = if inclusive { found <= at } else { found < at };
            (at, inclusive) = (found, false);
            (in_order && found > from).then_some(found)
        })
    }
}

/// The time zones of the IANA database.
pub fn zones() -> impl Iterator<Item = &'static str> {
    TZ_VARIANTS.iter().map(|zone| zone.name())
}

fn parse(text: &str) -> Result<Cron, TimingError> {
    if text.len() > LONGEST || !text.is_ascii() {
        return Err(TimingError::Cron(format!("a rule is at most {LONGEST} plain characters")));
    }
    let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
    let cron = parser.parse(text).map_err(|error| TimingError::Cron(Words(&error.to_string()).to_string()))?;
    // Leap days and weekdays meet at least once in 40 years; a rule that is due later than that is due never.
    let start = NaiveDate::from_ymd_opt(2000, 1, 1).and_then(|day| day.and_hms_opt(0, 0, 0)).map(|at| at.and_utc());
    let first = start.and_then(|start| cron.find_next_occurrence(&start, true).ok());
    first.filter(|first| first.year() < 2041).map(|_| cron).ok_or(TimingError::Never)
}

/// A message in the project's way: lower case, no full stop.
struct Words<'a>(&'a str);

impl fmt::Display for Words<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = self.0.rsplit(": ").next().unwrap_or_default().trim_end_matches('.');
        let mut characters = text.chars();
        match characters.next() {
            Some(first) => write!(f, "{}{}", first.to_lowercase(), characters.as_str()),
            None => f.write_str("it cannot be read"),
        }
    }
}

#[cfg(test)]
mod tests;
