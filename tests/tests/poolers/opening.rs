//! Connecting through a pooler.

use std::process::Command;

use specql_runtime::testing::TestDatabase;
use specql_tests::pooler::Pooler;

use crate::support::VERSIONS;

/// PgBouncer knows few parameters of a connection, unless it is told which to pass over.
#[tokio::test(flavor = "multi_thread")]
async fn a_parameter_that_the_pooler_refuses_is_explained() {
    for version in VERSIONS {
        let test = TestDatabase::from_sql("").await.unwrap();
        let pooler = Pooler::start(version, &test.url(), "session", &[("ignore_startup_parameters", "")]);
        let migrations = tempfile::tempdir().unwrap();
        let mut migrator = Command::new(env!("CARGO_BIN_EXE_migrator"));
        migrator.env("DATABASE_URL", pooler.url()).env("MIGRATIONS", migrations.path());
        let output = migrator.output().unwrap();
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(said.contains("unsupported startup parameter: extra_float_digits"), "{said}");
        assert!(said.contains("set `ignore_startup_parameters = extra_float_digits` in PgBouncer"), "{said}");
    }
}
