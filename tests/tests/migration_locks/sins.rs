//! A migration for each rule that breaks it, and migrations that break none.

use specql_compiler::internals::sql::{self, Schema};
use specql_tests::{
    compiled,
    locks::{Rules, Sin},
};

fn before() -> Schema {
    let order = "entity: Order\nschema: sales\nfields: {total: integer, size: 'decimal(8,2)'}\n";
    let line = "entity: Line\nschema: sales\nfields: {note: text}\n";
    sql::schema(&compiled::files(&[("entities/order.yaml", order), ("entities/line.yaml", line)]).unwrap().model)
}

fn rules(sins: &[Sin]) -> Vec<(&str, usize)> {
    sins.iter().map(|sin| (sin.rule.as_str(), sin.file)).collect()
}

/// The rule, and the files that break it: the last of them.
const SINS: &[(&str, &[&str])] = &[
    ("index-not-concurrently", &["CREATE INDEX i ON sales.tb_order (total)"]),
    ("index-not-concurrently", &["ALTER TABLE sales.tb_order ADD CONSTRAINT u UNIQUE (total)"]),
    ("index-not-concurrently", &["ALTER TABLE sales.tb_order ADD PRIMARY KEY (total)"]),
    ("index-not-concurrently", &["ALTER TABLE sales.tb_order ADD EXCLUDE USING gist (total WITH =)"]),
    ("index-not-concurrently", &["ALTER TABLE sales.tb_order ADD COLUMN n integer UNIQUE"]),
    ("concurrently-in-a-transaction", &["CREATE INDEX CONCURRENTLY i ON sales.tb_order (total)"]),
    ("concurrently-in-a-transaction", &["DROP INDEX CONCURRENTLY sales.i"]),
    ("concurrently-in-a-transaction", &["REINDEX (CONCURRENTLY) TABLE sales.tb_order"]),
    ("not-alone", &["-- no-transaction\nCREATE INDEX CONCURRENTLY i ON sales.tb_order (total); SELECT 1"]),
    ("checked-at-once", &["ALTER TABLE sales.tb_order ADD CONSTRAINT c CHECK (total > 0)"]),
    ("checked-at-once", &["ALTER TABLE sales.tb_order ADD COLUMN n integer CHECK (n > 0)"]),
    (
        "checked-at-once",
        &["ALTER TABLE sales.tb_line ADD CONSTRAINT f FOREIGN KEY (fk_order) REFERENCES sales.tb_order (pk_order)"],
    ),
    ("checked-at-once", &["ALTER TABLE sales.tb_line ADD COLUMN n integer REFERENCES sales.tb_order (pk_order)"]),
    (
        "validated-under-a-lock",
        &["ALTER TABLE sales.tb_order ADD CONSTRAINT c CHECK (total > 0) NOT VALID;
           ALTER TABLE sales.tb_order VALIDATE CONSTRAINT c"],
    ),
    (
        "validated-under-a-lock",
        &[
            "ALTER TABLE sales.tb_order ADD CONSTRAINT c CHECK (total > 0) NOT VALID",
            "ALTER TABLE sales.tb_line ALTER COLUMN note SET DEFAULT 'x'; ALTER TABLE sales.tb_order VALIDATE CONSTRAINT c",
        ],
    ),
    (
        "validated-under-a-lock",
        &[
            "ALTER TABLE sales.tb_order ADD CONSTRAINT c CHECK (total > 0) NOT VALID",
            "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT c, DROP CONSTRAINT d",
        ],
    ),
    ("not-null-by-a-scan", &["ALTER TABLE sales.tb_order ALTER COLUMN total SET NOT NULL"]),
    (
        "not-null-by-a-scan",
        &[
            "ALTER TABLE sales.tb_order ADD CONSTRAINT c CHECK (total IS NOT NULL) NOT VALID",
            "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT c; ALTER TABLE sales.tb_order ALTER COLUMN size SET NOT NULL",
        ],
    ),
    // The proof goes before the column is looked at.
    (
        "not-null-by-a-scan",
        &[
            "ALTER TABLE sales.tb_order ADD CONSTRAINT c CHECK (total IS NOT NULL) NOT VALID",
            "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT c;
             ALTER TABLE sales.tb_order ALTER COLUMN total SET NOT NULL, DROP CONSTRAINT c",
        ],
    ),
    ("not-null-by-a-scan", &["ALTER TABLE sales.tb_order ADD CONSTRAINT n NOT NULL total"]),
    ("required-without-default", &["ALTER TABLE sales.tb_order ADD COLUMN n integer NOT NULL"]),
    ("rewrite", &["ALTER TABLE sales.tb_order ADD COLUMN n uuid NOT NULL DEFAULT gen_random_uuid()"]),
    ("rewrite", &["ALTER TABLE sales.tb_order ADD COLUMN n timestamptz DEFAULT clock_timestamp()"]),
    ("rewrite", &["ALTER TABLE sales.tb_order ADD COLUMN n integer GENERATED ALWAYS AS (total + 1) STORED"]),
    ("rewrite", &["ALTER TABLE sales.tb_order ADD COLUMN n bigserial"]),
    ("rewrite", &["ALTER TABLE sales.tb_order ALTER COLUMN total TYPE bigint"]),
    ("rewrite", &["ALTER TABLE sales.tb_order ALTER COLUMN size TYPE numeric(8,3)"]),
    ("rewrite", &["ALTER TABLE sales.tb_order ALTER COLUMN size TYPE numeric(6,2)"]),
    ("rewrite", &["ALTER TABLE sales.tb_order SET UNLOGGED"]),
    ("rewrite", &["CLUSTER sales.tb_order USING i"]),
    ("rewrite", &["REINDEX TABLE sales.tb_order"]),
    ("changes-rows", &["UPDATE sales.tb_order SET total = 0 WHERE total IS NULL"]),
    ("changes-rows", &["DELETE FROM sales.tb_order WHERE total IS NULL"]),
    ("explicit-lock", &["LOCK TABLE sales.tb_order IN SHARE MODE"]),
    ("drop-not-allowed", &["ALTER TABLE sales.tb_order DROP COLUMN total"]),
    ("drop-not-allowed", &["DROP TABLE sales.tb_order"]),
    // Under its new name it is the same table.
    (
        "index-not-concurrently",
        &["ALTER TABLE sales.tb_order RENAME TO tb_sale; CREATE INDEX i ON sales.tb_sale (total)"],
    ),
    ("index-not-concurrently", &["ALTER TABLE sales.tb_order SET SCHEMA crm; CREATE INDEX i ON crm.tb_order (total)"]),
    // What is allowed is allowed of one column, and where everybody reads it.
    (
        "rewrite",
        &["-- allowed: change_type:sales.tb_order.size\n\nALTER TABLE sales.tb_order ALTER COLUMN total TYPE text"],
    ),
    (
        "drop-not-allowed",
        &["-- @generated\n\n-- allowed: drop_column:sales.tb_order.size\nALTER TABLE sales.tb_order DROP COLUMN size"],
    ),
];

const NONE: &[&[&str]] = &[
    &["CREATE TABLE sales.tb_new (n integer NOT NULL UNIQUE CHECK (n > 0)); CREATE INDEX i ON sales.tb_new (n)"],
    &[
        "ALTER TABLE sales.tb_order ADD COLUMN n integer, ADD CONSTRAINT c CHECK (n IS NOT NULL) NOT VALID,
            ADD CONSTRAINT f FOREIGN KEY (n) REFERENCES sales.tb_line (pk_line) NOT VALID",
        "-- no-transaction\nCREATE UNIQUE INDEX CONCURRENTLY u ON sales.tb_order (n)",
        "ALTER TABLE sales.tb_order VALIDATE CONSTRAINT c;
         ALTER TABLE sales.tb_order VALIDATE CONSTRAINT f;
         ALTER TABLE sales.tb_order ALTER COLUMN n SET NOT NULL, ADD CONSTRAINT u UNIQUE USING INDEX u;
         ALTER TABLE sales.tb_order DROP CONSTRAINT c",
    ],
    &["ALTER TABLE sales.tb_order ADD COLUMN n timestamptz NOT NULL DEFAULT now(), ADD COLUMN m text DEFAULT 'x'"],
    &["ALTER TABLE sales.tb_order ALTER COLUMN size TYPE numeric(10,2)"],
    &["-- allowed: change_type:sales.tb_order.total\n\nALTER TABLE sales.tb_order ALTER COLUMN total TYPE bigint"],
    &["-- @generated\n-- allowed: drop_column:sales.tb_order.total\n\nALTER TABLE sales.tb_order DROP COLUMN total"],
    &["-- allowed: drop_schema:sales\n\nDROP TABLE sales.tb_order; DROP TABLE sales.tb_line; DROP SCHEMA sales"],
    &["UPDATE jobs.tb_callback SET retired_at = now() WHERE key = 'x'"],
    &["CREATE OR REPLACE FUNCTION sales.f() RETURNS void LANGUAGE sql AS $$ UPDATE sales.tb_order SET total = 0 $$"],
];

#[test]
fn each_rule_finds_its_sin() {
    let (before, mut judge) = (before(), Rules::start());
    for (rule, files) in SINS {
        let sins = judge.sins(&before, files).unwrap_or_else(|error| panic!("{files:?}: {error}"));
        assert_eq!(rules(&sins), [(*rule, files.len() - 1)], "{files:#?}");
    }
}

#[test]
fn a_migration_without_sin_is_let_be() {
    let (before, mut judge) = (before(), Rules::start());
    for files in NONE {
        assert_eq!(judge.sins(&before, files), Ok(Vec::new()), "{files:#?}");
    }
}

#[test]
fn what_postgresql_does_not_read_is_an_error() {
    assert!(Rules::start().sins(&before(), &["ALTER TABLE sales.tb_order ADD CLOUMN n integer"]).is_err());
}
