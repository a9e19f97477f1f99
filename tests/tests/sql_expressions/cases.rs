//! Expressions, and what they are for a full row and for an empty one.

use serde_json::{Value, json};

/// A row with a field of each kind, all of which may be NULL.
pub(crate) const SAMPLE: &str = "
entity: Sample
schema: lab
fields:
  i: integer
  j: integer
  b: bigint
  d: decimal(10,2)
  m: money
  f: float
  t: text
  e: email
  k: enum(red, green)
  o: boolean
  at: timestamp
  day: date
  zone: timezone
  c: currencyCode
  tags: list(text)
  numbers: list(integer)
  colors: list(enum(red, green))
  doc: json
  twin: ref(Sample)
  result: json
actions:
  - name: create_sample
";

/// An expression, its value in the row of [`filled`], and its value in the row in which every field is NULL.
pub(crate) fn cases() -> Vec<(&'static str, Value, Value)> {
    let null = || Value::Null;
    vec![
        // Constants.
        ("1", json!(1), json!(1)),
        ("-1.50", json!(-1.50), json!(-1.50)),
        ("'it''s'", json!("it's"), json!("it's")),
        ("TRUE", json!(true), json!(true)),
        ("NULL", null(), null()),
        // Arithmetic.
        ("i + j", json!(9), null()),
        ("i - j - 1", json!(4), null()),
        ("i - (j - 1)", json!(6), null()),
        ("i * j + 1", json!(15), null()),
        ("i * (j + 1)", json!(21), null()),
        ("i / j", json!(3), null()),
        ("i % j", json!(1), null()),
        ("- i + - -1", json!(-6), null()),
        ("b + i", json!(9_000_000_007_i64), null()),
        ("d * 2", json!(25.00), null()),
        ("d / i", json!(1.785_714_285_714_285_7), null()),
        ("m + m", json!(39.98), null()),
        ("m / 2", json!(9.995), null()),
        ("f * 2", json!(5.0), null()),
        // Texts.
        ("t || '!'", json!("Straße!"), null()),
        ("t || i", json!("Straße7"), null()),
        ("'x' || NULL || 'y'", null(), null()),
        // Comparisons.
        ("i = 7", json!(true), null()),
        ("i <> 7", json!(false), null()),
        ("i != j", json!(true), null()),
        ("i < d", json!(true), null()),
        ("i <= 6.9", json!(false), null()),
        ("i > j", json!(true), null()),
        ("i >= 7", json!(true), null()),
        ("t = 'Straße'", json!(true), null()),
        ("k = 'red'", json!(true), null()),
        ("e = 'A@b.eu'", json!(false), null()),
        ("day < '2026-03-01'", json!(true), null()),
        ("at > '2026-02-03T04:05:05Z'", json!(true), null()),
        ("at - INTERVAL '1 hour' < at", json!(true), null()),
        ("at + INTERVAL '1 day' - at = INTERVAL '24 hours'", json!(true), null()),
        ("at + 2 * INTERVAL '1 hour' = '2026-02-03T06:05:06Z'", json!(true), null()),
        ("twin = id", json!(true), null()),
        ("twin.i", json!(7), null()),
        // Logic of three values.
        ("o AND i = 7", json!(true), null()),
        ("o AND FALSE", json!(false), json!(false)),
        ("o OR TRUE", json!(true), json!(true)),
        ("NOT o", json!(false), null()),
        ("NOT (o AND i = 8) OR j = 0", json!(true), null()),
        ("i IS NULL", json!(false), json!(true)),
        ("i IS NOT NULL AND j IS NOT NULL", json!(true), json!(false)),
        // Ranges and sets.
        ("i IN (1, 7)", json!(true), null()),
        ("i NOT IN (1, 7)", json!(false), null()),
        ("k IN ('red', 'green')", json!(true), null()),
        ("t LIKE 'Str%'", json!(true), null()),
        ("t NOT LIKE '_traße'", json!(false), null()),
        ("e LIKE 'a@%'", json!(false), null()),
        ("e ILIKE 'a@%'", json!(true), null()),
        ("t NOT ILIKE 'STR%'", json!(false), null()),
        ("t ~ '^S.*e$'", json!(true), null()),
        ("t ~ '^s'", json!(false), null()),
        ("t ~* '^s'", json!(true), null()),
        ("t !~ '[0-9]'", json!(true), null()),
        ("t !~* 'STRA'", json!(false), null()),
        ("t || i ~ '7$'", json!(true), null()),
        ("t ~ right(t, 2)", json!(true), null()),
        ("i BETWEEN 7 AND j + 5", json!(true), null()),
        ("i NOT BETWEEN 8 AND 9", json!(true), null()),
        // Branches.
        ("CASE WHEN i > 5 THEN 'large' WHEN i > 1 THEN 'small' END", json!("large"), null()),
        ("CASE WHEN i > 5 THEN 'large' ELSE 'unknown' END", json!("large"), json!("unknown")),
        ("CASE k WHEN 'red' THEN 1 WHEN 'green' THEN 2 ELSE 0 END", json!(1), json!(0)),
        // Functions.
        ("now() > created_at - INTERVAL '1 day'", json!(true), json!(true)),
        ("coalesce(i, j, 0)", json!(7), json!(0)),
        ("coalesce(t, 'none')", json!("Straße"), json!("none")),
        ("nullif(i, 7)", null(), null()),
        ("nullif(i, 8)", json!(7), null()),
        ("lower(e)", json!("a@b.eu"), null()),
        ("upper(k)", json!("RED"), null()),
        ("length(t)", json!(6), null()),
        ("trim('  x ')", json!("x"), json!("x")),
        ("replace(t, 'ß', 'ss')", json!("Strasse"), null()),
        ("left(t, 3)", json!("Str"), null()),
        ("right(t, -3)", json!("aße"), null()),
        ("starts_with(t, 'Str')", json!(true), null()),
        ("initcap('ab c' || k)", json!("Ab Cred"), null()),
        ("reverse(t)", json!("eßartS"), null()),
        ("btrim(' x ')", json!("x"), json!("x")),
        ("btrim(t, 'Se')", json!("traß"), null()),
        ("concat('(', ltrim('  x '), ')')", json!("(x )"), json!("(x )")),
        ("ltrim(t, 'tS')", json!("raße"), null()),
        ("concat('(', rtrim('  x '), ')')", json!("(  x)"), json!("(  x)")),
        ("rtrim(t, 'eß')", json!("Stra"), null()),
        ("lpad(k, 5)", json!("  red"), null()),
        ("lpad(concat('7', k), i, '0')", json!("0007red"), null()),
        ("rpad(k, 5, '.')", json!("red.."), null()),
        ("rpad(t, j)", json!("St"), null()),
        ("substring(t, 5)", json!("ße"), null()),
        ("substring(t, j, 3)", json!("tra"), null()),
        ("substring(t, 100, 3)", json!(""), null()),
        ("strpos(t, 'ß')", json!(5), null()),
        ("strpos(t, 'x')", json!(0), null()),
        ("split_part('a-b-c', '-', j)", json!("b"), null()),
        ("split_part('a-b-c', '-', -1)", json!("c"), json!("c")),
        ("split_part(t, '-', 9)", json!(""), null()),
        ("regexp_replace('a1b22', '[0-9]+', k)", json!("aredb22"), null()),
        ("regexp_replace(t, 'S(.)', '\\1\\1', 'i')", json!("ttraße"), null()),
        ("regexp_replace('aXbx', 'x', '', 'gi')", json!("ab"), json!("ab")),
        ("regexp_replace('a.b', '.', t, 'g')", json!("StraßeStraßeStraße"), null()),
        ("gen_random_uuid() <> gen_random_uuid()", json!(true), json!(true)),
        ("length(concat(gen_random_uuid(), ''))", json!(36), json!(36)),
        // Rows of an entity: there are two of this one.
        ("count(Sample)", json!(2), json!(2)),
        ("count(lab.Sample WHERE i = 7)", json!(1), json!(1)),
        ("count(Sample WHERE i = $sample.i)", json!(1), json!(0)),
        ("exists(Sample WHERE i IS NULL)", json!(true), json!(true)),
        ("exists(Sample WHERE i = $sample.i AND id <> $sample.id)", json!(false), json!(false)),
        ("NOT EXISTS(Sample WHERE twin = $sample)", json!(false), json!(true)),
        ("sum(Sample.i) + i", json!(14), null()),
        ("sum(Sample.m WHERE i > 1000)", null(), null()),
        ("coalesce(sum(Sample.d WHERE i = $sample.i), 0)", json!(12.5), json!(0)),
        ("avg(Sample.i)", json!(7), json!(7)),
        ("min(Sample.day) = '2026-02-03'", json!(true), json!(true)),
        ("max(Sample.k)", json!("red"), json!("red")),
        ("max(Sample.at) - min(Sample.at) = INTERVAL '0 days'", json!(true), json!(true)),
        ("sum(Sample.f)", json!(2.5), json!(2.5)),
        ("count(Sample WHERE m = max(Sample.m WHERE i = 7))", json!(1), json!(1)),
        ("round(d)", json!(13), null()),
        ("round(m, 1)", json!(20.0), null()),
        ("abs(j - i)", json!(5), null()),
        ("ceil(d)", json!(13), null()),
        ("floor(d)", json!(12), null()),
        ("concat(t, i, NULL, '.')", json!("Straße7."), json!(".")),
        ("greatest(i, j, 3)", json!(7), json!(3)),
        ("least(i, j, 3)", json!(2), json!(3)),
        ("date_trunc('day', at) = '2026-02-03T00:00:00Z'", json!(true), null()),
        // Dates. The row's day is 2026-02-03, its time 04:05:06 of that day in UTC: 05:05:06 in Berlin, the day before in Los Angeles.
        ("today() = date_of(now(), 'UTC')", json!(true), json!(true)),
        ("today('Asia/Tokyo') - today() IN (0, 1)", json!(true), json!(true)),
        ("date_of(at, 'UTC') = day", json!(true), null()),
        ("day - date_of(at, 'America/Los_Angeles')", json!(1), null()),
        ("date_of(at, zone) = day", json!(true), null()),
        ("start_of_day(day, 'Europe/Berlin') = '2026-02-02T23:00:00Z'", json!(true), null()),
        // A day of 23 hours.
        (
            "start_of_day('2026-03-30', 'Europe/Berlin') - start_of_day('2026-03-29', 'Europe/Berlin') = INTERVAL '23 hours'",
            json!(true),
            json!(true),
        ),
        ("day + days(26) = '2026-03-01'", json!(true), null()),
        ("day - weeks(1) = '2026-01-27'", json!(true), null()),
        ("months(1) + day = '2026-03-03'", json!(true), null()),
        ("end_of_month(day) = '2026-02-28'", json!(true), null()),
        ("end_of_month('2024-02-29') + months(12) = '2025-02-28'", json!(true), json!(true)),
        ("end_of_month(day) - months(1) + days(3) = '2026-01-31'", json!(true), null()),
        ("day + years(2) - day", json!(730), null()),
        ("day + months(1) * i = '2026-09-03'", json!(true), null()),
        ("day + 2 * (days(1) - weeks(1)) = '2026-01-22'", json!(true), null()),
        ("day + INTERVAL '2 days' = '2026-02-05'", json!(true), null()),
        ("at + months(1) = '2026-03-03T04:05:06Z'", json!(true), null()),
        ("day > today() - days(1)", json!(false), null()),
        ("date_part('year', day) * 100 + date_part('month', day)", json!(202_602), null()),
        ("date_part('isodow', day)", json!(2), null()),
        ("date_part('hour', at, 'Europe/Berlin')", json!(5), null()),
        ("date_part('second', at + INTERVAL '1 second', 'UTC')", json!(7), null()),
        ("date_part('day', at, 'America/Los_Angeles')", json!(2), null()),
        // One number for each row that asks.
        ("sequence(lab_no)", json!(1), json!(2)),
        ("minor_units(m, c)", json!(1999), null()),
        ("minor_units(m, 'JPY') IS NULL OR TRUE", json!(true), json!(true)),
        ("jsonb_typeof(doc)", json!("object"), null()),
        ("jsonb_typeof(tags)", json!("array"), null()),
        ("jsonb_array_length(doc)", null(), null()),
        ("jsonb_array_length(tags)", json!(2), null()),
        ("jsonb_array_length(colors)", json!(1), null()),
        ("jsonb_array_length(jsonb_extract_path(doc, 'a', 'list'))", json!(3), null()),
        ("jsonb_extract_path(doc, 'a', 'list', '1')", json!(2), null()),
        ("jsonb_extract_path(doc, 'b')", null(), null()),
        ("jsonb_extract_path_text(doc, 'a', 'name')", json!("x"), null()),
        ("jsonb_extract_path_text(doc, 'a', t)", null(), null()),
        ("jsonb_extract_path_text(tags, '0')", json!("a"), null()),
        ("jsonb_exists(doc, 'a')", json!(true), null()),
        ("jsonb_exists(doc, 'z')", json!(false), null()),
        (
            "jsonb_build_object('i', i, coalesce(t, 'none'), numbers, 'day', day)",
            json!({"i": 7, "Straße": [1, 2], "day": "2026-02-03"}),
            json!({"i": null, "none": null, "day": null}),
        ),
        (
            "jsonb_build_object('i', i, 'tags', tags)",
            json!({"i": 7, "tags": ["a", "b"]}),
            json!({"i": null, "tags": null}),
        ),
        ("jsonb_build_array(i, k, 'x', NULL)", json!([7, "red", "x", null]), json!([null, null, "x", null])),
        ("jsonb_strip_nulls(jsonb_build_object('i', i, 'n', NULL))", json!({"i": 7}), json!({})),
    ]
}

/// The values of the full row.
pub(crate) fn filled() -> Value {
    json!({
        "i": 7, "j": 2, "b": 9_000_000_000_i64, "d": "12.50", "m": "19.99", "f": 2.5, "t": "Straße", "e": "A@B.eu", "k": "red",
        "o": true, "at": "2026-02-03T04:05:06Z", "day": "2026-02-03", "zone": "Europe/Berlin", "c": "EUR", "tags": ["a", "b"], "numbers": [1, 2],
        "colors": ["green"], "doc": {"a": {"list": [1, 2, 3], "name": "x"}, "n": null}
    })
}
