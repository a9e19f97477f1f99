//! Text of a schema: scalars with a pattern, UUIDs, addresses, dates, times and timestamps.

use std::{collections::HashMap, sync::LazyLock};

use regex_lite::Regex;

use crate::{
    duration::Duration,
    scalars::{self, Scalar, ScalarBase},
};

/// The patterns of the table, compiled once.
static PATTERNS: LazyLock<HashMap<&'static str, Regex>> = LazyLock::new(|| {
    let compile = |pattern| Regex::new(pattern).expect("a test compiles every pattern of the table");
    scalars::ALL.iter().filter_map(|info| Some((info.name, compile(info.pattern?)))).collect()
});

/// Whether a text fits a scalar whose JSON form is text that is no number.
pub(super) fn fits_scalar(scalar: Scalar, text: &str) -> bool {
    let info = scalar.info();
    let base_fits = match info.base {
        ScalarBase::Uuid => is_uuid(text),
        ScalarBase::Date => is_date(text),
        ScalarBase::Time => is_time(text),
        ScalarBase::Interval => text.parse::<Duration>().is_ok(),
        ScalarBase::Inet => is_inet(text),
        ScalarBase::MacAddr => is_mac(text),
        ScalarBase::Text => !text.contains('\0'),
        ScalarBase::Numeric(..) | ScalarBase::Point => false,
    };
    base_fits && PATTERNS.get(info.name).is_none_or(|pattern| pattern.is_match(text))
}

/// RFC 3339: `2026-01-31T12:00:00.123+01:00`, with a time zone.
pub(super) fn is_timestamp(text: &str) -> bool {
    let (Some(date), Some(b'T' | b't' | b' '), Some(time)) = (text.get(..10), text.as_bytes().get(10), text.get(11..))
    else {
        return false;
    };
    let Some(zone_at) = time.find(['Z', 'z', '+', '-']) else { return false };
    let (time, zone) = time.split_at(zone_at);
    let zone_fits = match zone.as_bytes() {
        [b'Z' | b'z'] => true,
        [_, rest @ ..] => std::str::from_utf8(rest).is_ok_and(|offset| is_clock(offset, 2)),
        [] => false,
    };
    let (clock, fraction) = time.split_once('.').unwrap_or((time, "0"));
    is_date(date) && zone_fits && is_clock(clock, 3) && !fraction.is_empty() && all_digits(fraction)
}

/// `hh:mm` or `hh:mm:ss`; a leap second counts as one.
fn is_clock(text: &str, parts: usize) -> bool {
    let limits = [23, 59, 60];
    let given: Vec<_> = text.split(':').collect();
    given.len() == parts && given.iter().zip(limits).all(|(part, most)| two_digits(part).is_some_and(|n| n <= most))
}

/// `2026-01-31`, a day that the calendar has.
fn is_date(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let [year, month, day] = parts.as_slice() else { return false };
    if year.len() != 4 || !all_digits(year) {
        return false;
    }
    let (Ok(year), Some(month), Some(day)) = (year.parse::<u32>(), two_digits(month), two_digits(day)) else {
        return false;
    };
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let days = match month {
        1 | 3 | 5 | 7 | 8 | 10 | 12 => 31,
        4 | 6 | 9 | 11 => 30,
        2 if leap => 29,
        2 => 28,
        _ => return false,
    };
    year > 0 && (1..=days).contains(&day)
}

/// `14:30` or `14:30:00.123456`, before midnight.
fn is_time(text: &str) -> bool {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let whole = is_clock(clock, 3) && !clock.ends_with(":60");
    all_digits(fraction) && (1..=6).contains(&fraction.len()) && (whole || (text == clock && is_clock(clock, 2)))
}

/// An address, or an address with the length of its network's prefix.
fn is_inet(text: &str) -> bool {
    let (address, prefix) = text.split_once('/').map_or((text, None), |(address, prefix)| (address, Some(prefix)));
    let Ok(address) = address.parse::<std::net::IpAddr>() else { return false };
    let most = if address.is_ipv4() { 32 } else { 128 };
    prefix.is_none_or(|prefix| {
        (1..=3).contains(&prefix.len()) && all_digits(prefix) && prefix.parse::<u32>().is_ok_and(|bits| bits <= most)
    })
}

/// `08:00:2b:01:02:03`.
fn is_mac(text: &str) -> bool {
    let parts: Vec<_> = text.split(':').collect();
    let is_byte = |part: &&str| part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
    parts.len() == 6 && parts.iter().all(is_byte)
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => byte.is_ascii_hexdigit(),
        })
}

fn two_digits(text: &str) -> Option<u32> {
    (text.len() == 2 && all_digits(text)).then(|| text.parse().ok()).flatten()
}

fn all_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ValueType;

    #[test]
    fn every_type_of_the_table_takes_its_good_values_and_refuses_its_bad_ones() {
        for info in scalars::ALL {
            let ty = ValueType::Scalar(Scalar::from_name(info.name).unwrap());
            let json = |text: &&str| match info.base {
                ScalarBase::Point => serde_json::from_str(text).unwrap(),
                _ => serde_json::Value::from(*text),
            };
            assert!(info.good.contains(&info.example), "{}", info.name);
            for good in info.good {
                assert!(ty.check_input(&json(good)).is_ok(), "{}: {good:?}", info.name);
            }
            for bad in info.bad {
                assert!(ty.check_input(&json(bad)).is_err(), "{}: {bad:?}", info.name);
            }
        }
    }

    #[test]
    fn only_days_of_the_calendar_are_dates() {
        for good in ["2024-02-29", "2026-12-31", "2000-02-29"] {
            assert!(is_date(good), "{good}");
        }
        for bad in [
            "2026-02-29",
            "1900-02-29",
            "2026-13-01",
            "2026-1-01",
            "2026-00-10",
            "0000-01-01",
            "2026-01-01x",
            "é026-01-01",
        ] {
            assert!(!is_date(bad), "{bad}");
        }
    }

    #[test]
    fn a_timestamp_has_a_time_zone() {
        for good in ["2026-01-31T12:00:00Z", "2026-01-31T12:00:00.123456+00:00", "2026-01-31 23:59:60-05:30"] {
            assert!(is_timestamp(good), "{good}");
        }
        for bad in [
            "2026-01-31T12:00:00",
            "2026-01-31",
            "2026-01-31T24:00:00Z",
            "2026-01-31T12:00:00.Z",
            "2026-01-31T12:00:00+1",
            "2026-01-31é12:00:00Z",
            "2026-01-31T12:00:00+é",
        ] {
            assert!(!is_timestamp(bad), "{bad}");
        }
    }
}
