//! The built-in services, and what the registry refuses.

use super::*;
use crate::{
    diagnostics,
    source::{SourceFile, Sources},
};

fn sources(text: &str) -> Sources {
    let path = "registry/service_registry.yaml".to_owned();
    Sources::new(vec![SourceFile { path, text: text.to_owned(), kind: SourceKind::Registry }])
}

fn read_all(sources: &Sources) -> (RegistrySet, String) {
    let mut found = Vec::new();
    let set = read(sources, &mut found);
    let shown: Vec<String> = found.iter().map(|one| diagnostics::render(one, sources, false)).collect();
    (set, shown.join("\n\n"))
}

#[test]
fn the_built_in_services_have_no_mistakes() {
    let (set, shown) = read_all(&Sources::new(Vec::new()));
    assert_eq!(shown, "");
    assert_eq!(set.services.keys().collect::<Vec<_>>(), ["sendgrid", "slack", "stripe", "webhook"]);
}

#[test]
fn a_service_of_the_project_replaces_the_built_in_one_of_its_name() {
    let (set, _) = read_all(&sources("services:\n  - name: slack\n    operations: [{name: shout}]\n"));
    assert!(set.operation("slack", "shout").is_some());
    assert!(set.operation("slack", "post_message").is_none());
    assert_eq!(set.declared().map(|declared| declared.service.name.as_str()).collect::<Vec<_>>(), ["slack"]);
}
