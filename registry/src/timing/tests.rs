use chrono::Duration;

use super::*;

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn timing(cron: &str, zone: &str) -> Timing {
    Timing::new(cron, zone).unwrap()
}

/// The times of a rule between two moments, by the zone's own clock, found forwards.
fn forwards(timing: &Timing, from: &str, until: &str) -> Vec<String> {
    let (mut moment, until) = (at(from), at(until));
    let mut found = Vec::new();
    while let Some(next) = timing.next_after(moment).filter(|next| *next <= until) {
        found.push(next.with_timezone(&timing.zone).to_rfc3339());
        moment = next;
    }
    found
}

#[test]
fn a_time_that_does_not_exist_is_due_after_the_gap() {
    // In Berlin clocks go from 02:00 to 03:00 on 29 March 2026.
    let found = forwards(&timing("30 2 * * *", "Europe/Berlin"), "2026-03-28T00:00:00Z", "2026-03-30T12:00:00Z");
    assert_eq!(found, ["2026-03-28T02:30:00+01:00", "2026-03-29T03:00:00+02:00", "2026-03-30T02:30:00+02:00"]);
}

#[test]
fn a_time_that_exists_twice_is_due_the_first_time() {
    // In Berlin clocks go from 03:00 to 02:00 on 25 October 2026.
    let found = forwards(&timing("30 2 * * *", "Europe/Berlin"), "2026-10-24T12:00:00Z", "2026-10-26T12:00:00Z");
    assert_eq!(found, ["2026-10-25T02:30:00+02:00", "2026-10-26T02:30:00+01:00"]);
}

#[test]
fn a_rule_within_the_hour_goes_on_through_both_hours() {
    let rule = timing("*/30 * * * *", "Europe/Berlin");
    let found = forwards(&rule, "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z");
    let clocks: Vec<&str> = found.iter().map(|time| &time[11..]).collect();
    assert_eq!(clocks, ["02:30:00+02:00", "02:00:00+01:00", "02:30:00+01:00", "03:00:00+01:00"]);
}

#[test]
fn the_way_back_finds_the_same_times() {
    let rules = [
        "30 2 * * *",
        "0 2 * * *",
        "0 3 * * *",
        "*/30 * * * *",
        "15 1-3 * * *",
        "0 */2 * * *",
        "30 2 * * 0",
        "0 0 1 * *",
        "30 1 * * *",
        "59 23 * * *",
        "5,35 2,3 * * *",
    ];
    let spans = [
        ("2026-03-07T00:00:00Z", "2026-03-09T23:59:59Z"),
        ("2026-03-28T00:00:00Z", "2026-03-30T23:59:59Z"),
        ("2026-10-24T00:00:00Z", "2026-10-26T23:59:59Z"),
        ("2026-10-31T00:00:00Z", "2026-11-02T23:59:59Z"),
        ("2026-04-03T00:00:00Z", "2026-04-06T12:34:56.789Z"),
        ("2026-10-02T00:00:00Z", "2026-10-04T12:34:56.789Z"),
    ];
    for zone in ["UTC", "Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"] {
        for rule in rules {
            let timing = timing(rule, zone);
            for (from, until) in spans {
                let mut back: Vec<String> = timing
                    .backwards(at(from), at(until))
                    .map(|time| time.with_timezone(&timing.zone).to_rfc3339())
                    .collect();
                back.reverse();
                assert_eq!(back, forwards(&timing, from, until), "{rule} in {zone} from {from}");
            }
        }
    }
}

#[test]
fn a_moment_between_two_seconds_is_between_two_times() {
    let every_second = timing("* * * * * *", "UTC");
    let moment = at("2026-01-01T00:00:00.5Z");
    assert_eq!(every_second.next_after(moment), Some(at("2026-01-01T00:00:01Z")));
    let back: Vec<_> = every_second.backwards(moment - Duration::seconds(2), moment).collect();
    assert_eq!(back, [at("2026-01-01T00:00:00Z"), at("2025-12-31T23:59:59Z")]);
}

#[test]
fn rules_that_say_nothing_are_refused() {
    for (rule, zone, expected) in [
        ("0 0 30 2 *", "UTC", TimingError::Never),
        ("0 0 * * *", "Europe/Atlantis", TimingError::Zone),
        ("0 0 * * *", "", TimingError::Zone),
    ] {
        assert_eq!(Timing::new(rule, zone).unwrap_err(), expected, "{rule} {zone}");
    }
    for rule in
        ["", "*", "60 * * * *", "* 24 * * *", "a b c d e", "*/0 * * * *", "* * * * * * *", "ä * * * *", "5-1 * * * *"]
    {
        assert!(matches!(Timing::new(rule, "UTC"), Err(TimingError::Cron(_))), "{rule}");
    }
    for rule in ["0 3 * * *", "*/15 * * * *", "0 0 29 2 *", "0 9 * * MON-FRI", "@daily", "0 0 L * *", "*/5 * * * * *"] {
        assert!(Timing::new(rule, "Europe/Berlin").is_ok(), "{rule}");
    }
}
