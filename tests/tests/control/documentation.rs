//! What `docs/holding-back.md` and `docs/keeping.md` show is true.

use std::path::Path;

use specql_compiler::{SourceFile, SourceKind, Sources, compile, render};

use crate::project::{Queue, Settings};

/// The samples of a language in `docs/holding-back.md`, in order.
fn samples(language: &str) -> Vec<String> {
    samples_of("holding-back.md", language)
}

fn samples_of(page: &str, language: &str) -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs").join(page);
    let text = std::fs::read_to_string(path).unwrap();
    let fence = format!("```{language}\n");
    text.split(&fence).skip(1).map(|rest| rest.split("```").next().unwrap().to_owned()).collect()
}

#[test]
fn its_registries_compile() {
    let registries = samples("yaml");
    assert_eq!(registries.len(), 4);
    for text in registries {
        let path = "registry/service_registry.yaml".to_owned();
        let sources = Sources::new(vec![SourceFile::new(path, text, SourceKind::Registry)]);
        let compilation = compile(&sources);
        let said: Vec<_> = compilation.diagnostics.iter().map(|one| render(one, &sources, false)).collect();
        assert_eq!(said, Vec::<String>::new());
    }
}

#[tokio::test]
async fn its_statements_run() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    queue
        .execute(
            "SELECT jobs.register_operations('[{\"service\": \"stripe\", \"operation\": \"create_charge\", \
            \"timeout_seconds\": 30, \"max_attempts\": 3}, \
            {\"service\": \"payroll\", \"operation\": \"sync\", \"timeout_seconds\": 30, \"max_attempts\": 3}]')",
        )
        .await;
    let statements = samples("sql");
    assert_eq!(statements.len(), 3);
    for text in statements {
        queue.execute(text.leak()).await;
    }
    // `resume` ended the pause that was made with the same words, and no other.
    assert_eq!(queue.count("SELECT count(*) FROM jobs.v_pause").await, 3);
}

#[tokio::test]
async fn how_long_things_are_kept_is_changed_and_seen_as_shown() {
    let queue = Queue::new(Settings::default(), Settings::default()).await;
    let statements = samples_of("keeping.md", "sql");
    assert_eq!(statements.len(), 4);
    for text in statements {
        queue.execute(text.leak()).await;
    }
    let kept = "SELECT string_agg(format('%s %s', status, extract(day FROM keep)), ', ' ORDER BY status) FROM jobs.tb_retention";
    assert_eq!(queue.text(kept).await, "audit_log 400, cancelled 7, completed 30, failed 90, notifications 400");
}
