//! Lengths of time: `duration`, an INTERVAL in PostgreSQL.

use std::{fmt, str::FromStr};

const MICROS_PER_SECOND: i64 = 1_000_000;

/// A length of time as PostgreSQL keeps it. A month has no fixed number of days, nor a day of hours, so the three parts
/// stand apart. Its text is that of ISO 8601: `P1Y2M3DT4H5M6.5S`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Duration {
    /// Months; twelve are a year.
    pub months: i32,
    /// Days; seven are a week.
    pub days: i32,
    /// Hours, minutes and seconds.
    pub microseconds: i64,
}

/// A text that is no length of time.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a length of time in the form of ISO 8601, such as `P1DT2H`")]
pub struct InvalidDuration(String);

impl FromStr for Duration {
    type Err = InvalidDuration;

    fn from_str(text: &str) -> Result<Self, InvalidDuration> {
        parse(text).ok_or_else(|| InvalidDuration(text.to_owned()))
    }
}

/// Each unit at most once, in this order; a number may be negative; only seconds have a fraction.
fn parse(text: &str) -> Option<Duration> {
    let body = text.strip_prefix('P')?;
    let (date, time) = body.split_once('T').map_or((body, None), |(date, time)| (date, Some(time)));
    let (mut months, mut days, mut micros) = (0_i64, 0_i64, 0_i64);
    let mut rest = date;
    for (unit, factor, sum) in [('Y', 12, 0), ('M', 1, 0), ('W', 7, 1), ('D', 1, 1)] {
        if let Some((digits, after)) = number_before(rest, unit) {
            let part = whole(digits)?.checked_mul(factor)?;
            let sum = if sum == 0 { &mut months } else { &mut days };
            *sum = sum.checked_add(part)?;
            rest = after;
        }
    }
    if !rest.is_empty() || (date.is_empty() && time.is_none_or(str::is_empty)) || time.is_some_and(str::is_empty) {
        return None;
    }
    let mut rest = time.unwrap_or_default();
    for (unit, seconds) in [('H', 3600), ('M', 60), ('S', 1)] {
        if let Some((digits, after)) = number_before(rest, unit) {
            let part = if unit == 'S' { seconds_in_micros(digits)? } else { micros_of(whole(digits)?, seconds)? };
            micros = micros.checked_add(part)?;
            rest = after;
        }
    }
    if !rest.is_empty() {
        return None;
    }
    Some(Duration { months: months.try_into().ok()?, days: days.try_into().ok()?, microseconds: micros })
}

/// The number that stands before `unit` at the beginning of a text, and what stands behind it.
fn number_before(text: &str, unit: char) -> Option<(&str, &str)> {
    let end = text.find(|c: char| c.is_ascii_alphabetic())?;
    text[end..].starts_with(unit).then(|| (&text[..end], &text[end + 1..]))
}

fn whole(digits: &str) -> Option<i64> {
    let unsigned = digits.strip_prefix('-').unwrap_or(digits);
    let fits = (1..=10).contains(&unsigned.len()) && unsigned.bytes().all(|byte| byte.is_ascii_digit());
    fits.then(|| digits.parse().ok()).flatten()
}

fn micros_of(number: i64, seconds: i64) -> Option<i64> {
    number.checked_mul(seconds)?.checked_mul(MICROS_PER_SECOND)
}

fn seconds_in_micros(digits: &str) -> Option<i64> {
    let (seconds, fraction) = digits.split_once('.').map_or((digits, None), |(s, f)| (s, Some(f)));
    let micros = micros_of(whole(seconds)?, 1)?;
    let Some(fraction) = fraction else { return Some(micros) };
    if !(1..=6).contains(&fraction.len()) || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let part: i64 = format!("{fraction:0<6}").parse().ok()?;
    if seconds.starts_with('-') { micros.checked_sub(part) } else { micros.checked_add(part) }
}

impl fmt::Display for Duration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { months, days, microseconds } = *self;
        if (months, days, microseconds) == (0, 0, 0) {
            return f.write_str("PT0S");
        }
        f.write_str("P")?;
        for (number, unit) in [(months / 12, 'Y'), (months % 12, 'M'), (days, 'D')] {
            if number != 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        if microseconds == 0 {
            return Ok(());
        }
        f.write_str("T")?;
        let seconds = microseconds / MICROS_PER_SECOND;
        for (number, unit) in [(seconds / 3600, 'H'), (seconds / 60 % 60, 'M')] {
            if number != 0 {
                write!(f, "{number}{unit}")?;
            }
        }
        let micros = microseconds % (60 * MICROS_PER_SECOND);
        if micros != 0 {
            let sign = if micros < 0 { "-" } else { "" };
            let micros = micros.unsigned_abs();
            let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
            let fraction = if fraction == 0 { String::new() } else { format!(".{fraction:06}") };
            write!(f, "{sign}{seconds}{}S", fraction.trim_end_matches('0'))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_read_from_its_own_text() {
        for (months, days, microseconds) in
            [(0, 0, 0), (14, 3, 14_706_500_000), (-1, 0, 0), (0, 0, -500_000), (0, -4, 3_600_000_000), (i32::MIN, 0, 1)]
        {
            let duration = Duration { months, days, microseconds };
            assert_eq!(duration.to_string().parse(), Ok(duration), "{duration}");
        }
        assert_eq!(Duration { months: 14, days: 3, microseconds: 14_706_500_000 }.to_string(), "P1Y2M3DT4H5M6.5S");
    }
}
