//! The built-in services, and what the registry refuses.

use specql_registry::{
    Setting,
    http::{Auth, BodyEncoding},
    limits::{CircuitBreaker, Limits, Rate},
    schema::FieldDefault,
    service::{Call, Configuration},
};

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

/// The text of `service` (what stands under a list item) in a registry file, and what is said about it.
fn service(text: &str) -> String {
    read_all(&sources(&format!("services:\n  - {}\n", text.trim().replace('\n', "\n    ")))).1
}

/// A service with a base URL and one operation, whose text is given.
fn operation(text: &str) -> String {
    let operation = text.trim().replace('\n', "\n    ");
    service(&format!(
        "name: crm\nrunner_config: {{base_url: \"https://crm.example.eu\"}}\noperations:\n  - {operation}"
    ))
}

/// Each case is refused by this rule, in words that hold this text; and by nothing else.
fn refused(cases: &[(&str, &str, &str)], read: fn(&str) -> String) {
    for (text, code, words) in cases {
        let shown = read(text);
        assert!(shown.contains(code), "{text}\nwants {code}: {shown}");
        assert!(shown.contains(words), "{text}\nwants {words:?}: {shown}");
        assert_eq!(shown.matches("\n -->").count() + shown.matches("\n  -->").count(), 1, "{text}\n{shown}");
    }
}

#[test]
fn a_misspelt_key_is_shown_in_its_line_with_the_nearest_one() {
    pretty_assertions::assert_eq!(
        service("name: crm\nrunner_cfg: {base_url: \"https://crm.example.eu\"}"),
        "\
error[SQ0501]: unknown key `runner_cfg` in a service
 --> registry/service_registry.yaml:3:5
  |
3 |     runner_cfg: {base_url: \"https://crm.example.eu\"}
  |     ^^^^^^^^^^
  |
  = help: did you mean `runner_config`?"
    );
}

#[test]
fn ym12_unknown_keys_are_refused_at_every_level() {
    refused(
        &[
            ("name: crm\nprivileged: true", "SQ0501", "`privileged` in a service"),
            ("name: crm\nrunner_config: {base_url: \"https://a.eu\", privileged: true}", "SQ0501", "`privileged`"),
            ("name: crm\nsecurity_policy: {privileged: true}", "SQ0501", "`privileged`"),
            ("name: crm\nretry: {privileged: true}", "SQ0501", "`privileged`"),
            ("name: crm\nenvironments: {dev: {privileged: true}}", "SQ0501", "`privileged`"),
            (
                "name: crm\nrunner_config: {auth: {type: bearer, token: {env: T}, privileged: 1}}",
                "SQ0501",
                "`privileged`",
            ),
        ],
        service,
    );
    refused(&[("name: sync\npath: /sync\nprivileged: true", "SQ0501", "`privileged` in an operation")], operation);
    let (_, shown) = read_all(&sources("servces: []\n"));
    assert!(shown.contains("did you mean `services`?"), "{shown}");
}

#[test]
fn ym10_a_registry_file_holds_one_document() {
    let (_, shown) = read_all(&sources("services: []\n---\nservices: []\n"));
    assert!(shown.starts_with("error[SQ0012]"), "{shown}");
}

#[test]
fn ym16_a_service_may_be_named_like_a_keyword_but_not_like_another() {
    assert!(!service("name: type\noperations: [{name: match}]").contains("error"));
    let twice = read_all(&sources("services:\n  - name: crm\n  - name: crm\n")).1;
    assert!(twice.contains("error[SQ0504]: the service `crm` is declared twice"), "{twice}");
    for name in ["CRM", "my service", "my-service", "ümlaut", "1st", "''"] {
        assert!(service(&format!("name: {name}")).contains("error[SQ0514]"), "{name}");
    }
    let same = operation("name: sync\npath: /sync\ninput_schema: {userId: text, user_id: text}");
    assert!(same.contains("error[SQ0514]: `user_id` and `userId` are the same name"), "{same}");
}

#[test]
fn a_literal_credential_is_refused_wherever_it_stands() {
    pretty_assertions::assert_eq!(
        service("name: crm\nrunner_config: {auth: {type: bearer, token: sk_live_1}}"),
        "\
error[SQ0508]: `token` is a credential and must not stand in the registry
 --> registry/service_registry.yaml:3:49
  |
3 |     runner_config: {auth: {type: bearer, token: *********}}
  |                                                 ^^^^^^^^^
  |
  = help: write a reference: `token: {env: TOKEN}`"
    );
    refused(
        &[
            ("name: a\nrunner_config: {auth: {type: basic, username: u, password: p}}", "SQ0508", "`password`"),
            ("name: a\nrunner_config: {auth: {type: api_key, header: X-Key, value: v}}", "SQ0508", "`value`"),
            ("name: a\nrunner_config: {headers: {X-Api-Key: v}}", "SQ0508", "{env: X_API_KEY}"),
            ("name: a\nrunner_config: {headers: {Authorization: Bearer x}}", "SQ0508", "`Authorization`"),
            ("name: a\nrunner_config: {targets: {t: {url: \"https://a.eu\", secret: s}}}", "SQ0508", "`secret`"),
            ("name: a\nrunner_config: {auth: {type: bearer, token: {env: T, default: x}}}", "SQ0508", "default"),
        ],
        service,
    );
    refused(
        &[
            ("name: s\npath: /s\nquery: {api_key: abc}", "SQ0508", "`api_key`"),
            ("name: s\npath: /s\nbody_template: {password: abc}", "SQ0508", "`password`"),
            ("name: s\npath: /s\ninput_schema: {token: text = abc}", "SQ0508", "`token`"),
        ],
        operation,
    );
}

#[test]
fn a_template_names_inputs_and_every_input_goes_somewhere() {
    refused(
        &[
            ("name: s\npath: /s/{idd}\ninput_schema: {id: text!}", "SQ0506", "`idd` is no field of `input_schema`"),
            ("name: s\npath: /s\nquery: {a: \"{b}\"}", "SQ0506", "`b`"),
            ("name: s\npath: /s\noutput_schema: {id: text}\noutput: {ide: $.id}", "SQ0506", "did you mean `id`?"),
            ("name: s\npath: /s\ninput_schema: {a: text}\nbody_template: {b: 1}", "SQ0507", "`a` is used nowhere"),
            ("name: s\npath: /s\nbody: none\ninput_schema: {a: text}", "SQ0507", "`a` is used nowhere"),
            ("name: s\npath: /s/{a}\ninput_schema: {a: text}", "SQ0505", "mark that input required"),
            ("name: s\npath: /s/{a\ninput_schema: {a: text!}", "SQ0505", "`{` has no `}`"),
            ("name: s\npath: s", "SQ0505", "a path begins with one `/`"),
            ("name: s\npath: /a/../b", "SQ0505", "`..`"),
            ("name: s\npath: \"/s?x=1\"", "SQ0505", "`query`"),
            ("name: s", "SQ0505", "needs a `path`"),
            ("name: s\nmethod: GET\npath: /s\nbody: form", "SQ0505", "has no body: leave this out"),
            ("name: s\npath: /s\noutput_schema: {id: text}\noutput: {id: body.id}", "SQ0505", "an output path is"),
            ("name: s\nmethod: GET\npath: /s\nbody_template: {a: 1}", "SQ0505", "no body"),
        ],
        operation,
    );
    let by_name = "name: s\npath: /s\noutput_schema: {id: text!, url: url}\noutput: {url: $.receipt.url}";
    assert!(
        !operation(by_name).contains("SQ05"),
        "what `output` does not name is found by name: {}",
        operation(by_name)
    );
    let shown = operation("name: s\npath: /v1/{custmer}\ninput_schema: {customer: text!}");
    assert!(shown.contains("-->") && shown.contains(":6:20") && shown.contains("^^^^^^^"), "{shown}");
    assert!(shown.contains("did you mean `customer`?"), "{shown}");
}

#[test]
fn auth_type_is_the_originals_place_for_the_type_of_auth() {
    let auth = |service: &str| {
        let (registry, said) = read_all(&sources(&format!("services:\n  - {{{service}}}\n")));
        let Configuration::Http(http) = &registry.services["crm"].service.base else { panic!("{said}") };
        (http.auth.clone(), said)
    };
    let today = auth("name: crm, runner_config: {auth: {type: bearer, token: {env: T}}}");
    assert!(today.0.is_some() && today.1.is_empty(), "{}", today.1);
    for original in [
        "name: crm, runner_config: {auth_type: bearer, auth: {token: {env: T}}}",
        "name: crm, auth_type: bearer, runner_config: {auth: {token: {env: T}}}",
        "name: crm, auth_type: basic, runner_config: {auth_type: bearer, auth: {token: {env: T}}}",
    ] {
        assert_eq!(auth(original), today);
    }
    let (alone, said) = auth("name: crm, runner_config: {auth_type: bearer}, environments: {dev: {development: true}}");
    assert_eq!((alone, said.matches("SQ0503").count()), (None, 1));
    refused(
        &[
            (
                "name: a\nrunner_config: {auth_type: basic, auth: {type: bearer, token: {env: T}}}",
                "error[SQ0505]",
                "`auth_type` and the `type` of `auth` differ",
            ),
            ("name: a\nrunner_config: {auth_type: digest, auth: {token: {env: T}}}", "error[SQ0505]", "`digest`"),
            ("name: a\nauth_type: bearer", "warning[SQ0503]", "`auth_type` alone"),
        ],
        service,
    );
}

#[test]
fn limits_and_breakers_are_read_and_an_operation_may_have_its_own() {
    let (registry, said) = read_all(&sources(
        "services:
  - name: crm
    runner_config: {base_url: \"https://crm.example.eu\"}
    limits: {concurrency: 20, rate: 100/s}
    circuit_breaker: {failure_rate: 30}
    operations:
      - {name: sync, path: /sync}
      - {name: ping, path: /ping, circuit_breaker: {window: 10, minimum_calls: 2, open_for: 1s, max_open: 2s}}
",
    ));
    assert_eq!(said, "");
    let (crm, sync) = registry.operation("crm", "sync").unwrap();
    assert_eq!(crm.limits, Limits { concurrency: Some(20), rate: Some(Rate { starts: 100, period_ms: 1_000 }) });
    let default = CircuitBreaker::default();
    assert_eq!(sync.circuit_breaker, Some(CircuitBreaker { failure_rate: 30, ..default }));
    let (_, ping) = registry.operation("crm", "ping").unwrap();
    let own = CircuitBreaker { window: 10, minimum_calls: 2, open_for_ms: 1_000, max_open_ms: 2_000, ..default };
    assert_eq!(ping.circuit_breaker, Some(own));
    refused(
        &[
            ("name: a\nlimits: {concurrency: 0}", "error[SQ0505]", "`concurrency`"),
            ("name: a\nlimits: {rate: 100 a second}", "error[SQ0505]", "100/s, 20/m, 5/h"),
            ("name: a\nlimits: {concurency: 2}", "error[SQ0501]", "`concurrency`"),
            ("name: a\ncircuit_breaker: {failure_rate: 101}", "error[SQ0505]", "`failure_rate`"),
            ("name: a\ncircuit_breaker: {window: 4}", "error[SQ0505]", "never opens"),
            ("name: a\ncircuit_breaker: {open_for: 10m}", "error[SQ0505]", "`max_open`"),
        ],
        service,
    );
}

#[test]
fn a_fallback_can_do_the_same_and_does_not_lead_back() {
    let said = |other: &str| {
        read_all(&sources(&format!(
            "services:
  - {{name: mail, fallback: backup, operations: [{{name: send, input_schema: {{to: text!}}, output_schema: {{id: text}}}}]}}
  - {other}
"
        )))
        .1
    };
    let same = "operations: [{name: send, input_schema: {to: text!}, output_schema: {id: text}}]";
    assert!(!said(&format!("{{name: backup, {same}}}")).contains("error"), "the same schemas");
    for (other, words) in [
        (format!("{{name: backups, {same}}}"), "there is no service `backup` that could take over"),
        ("{name: backup, operations: [{name: sent}]}".to_owned(), "it has no operation `send`"),
        (same.replace("to: text!", "to: text"), "takes another `input_schema`"),
        (same.replace("id: text", "id: integer"), "has another `output_schema`"),
        (format!("fallback: mail, {same}"), "in a circle: mail → backup → mail"),
    ] {
        let other = if other.starts_with('{') { other } else { format!("{{name: backup, {other}}}") };
        let said = said(&other);
        assert!(said.contains("error[SQ0515]") && said.contains(words), "{other}\n{said}");
    }
}

#[test]
fn what_is_known_but_not_implemented_is_said() {
    refused(
        &[
            ("name: a\nexecution_type: docker", "error[SQ0502]", "`docker` is not implemented yet"),
            ("name: a\nrunner_config: {tls: {ca: x}}", "error[SQ0502]", "`tls`"),
            ("name: a\nrunner_config: {follow_redirects: 3}", "error[SQ0502]", "following redirects"),
            ("name: a\nrunner_config: {body: multipart}", "error[SQ0502]", "`body: multipart`"),
            ("name: a\nrunner_config: {auth: {type: oauth2}}", "error[SQ0502]", "oauth2"),
            (
                "name: a\nrunner_config: {base_url: \"https://a.eu\"}\noperations: [{name: sync, path: /, limits: {concurrency: 2}}]",
                "error[SQ0502]",
                "`limits`",
            ),
            ("name: a\noperations: [{name: sync}]", "warning[SQ0513]", "`a.sync` names no target"),
        ],
        service,
    );
    assert!(read_all(&sources("domains: {}\n")).1.contains("error[SQ0502]: `domains`"));
}

#[test]
fn a_target_obeys_the_policy_beside_it() {
    refused(
        &[
            ("name: a\nrunner_config: {base_url: \"http://a.eu\"}", "SQ0510", "plaintext: true"),
            ("name: a\nrunner_config: {base_url: \"https://localhost\"}", "SQ0509", "allow_private_network: true"),
            ("name: a\nrunner_config: {base_url: \"https://10.0.0.1\"}", "SQ0509", "private network"),
            ("name: a\nrunner_config: {base_url: \"https://169.254.169.254\"}", "SQ0509", "private network"),
            (
                "name: a\nrunner_config: {base_url: \"https://a.eu\"}\nsecurity_policy: {allowed_hosts: [b.eu]}",
                "SQ0509",
                "`a.eu` is not in `allowed_hosts`",
            ),
            ("name: a\nrunner_config: {base_url: \"https://u:p@a.eu\"}", "SQ0505", "use `auth`"),
            ("name: a\nrunner_config: {base_url: a.eu}", "SQ0505", "begins with https://"),
            ("name: a\nsecurity_policy: {allowed_hosts: [\"*.eu\"]}", "SQ0505", "without scheme"),
            ("name: a\nrunner_config: {headers: {Host: b.eu}}", "SQ0505", "set by the runner alone"),
        ],
        service,
    );
    let free = operation("name: s\nurl: \"{to}\"\ninput_schema: {to: url!}");
    assert!(free.contains("SQ0509") && free.contains("signing_secret"), "{free}");
}

#[test]
fn an_environment_weaker_than_the_base_must_be_for_development() {
    let weaker = |environment: &str| {
        service(&format!("name: a\nrunner_config: {{base_url: \"https://a.eu\"}}\nenvironments: {{it: {environment}}}"))
    };
    for (environment, how) in [
        ("{runner_config: {plaintext: true}}", "calls without TLS"),
        ("{security_policy: {allow_private_network: true}}", "private addresses"),
        ("{security_policy: {allow_any_public_host: true}}", "any public host"),
        ("{runner_config: {base_url: {env: URL}}}", "an environment variable chooses its host"),
    ] {
        let shown = weaker(environment);
        assert!(shown.contains("error[SQ0511]") && shown.contains(how), "{environment}: {shown}");
        let marked = environment.replacen('{', "{development: true, ", 1);
        assert_eq!(weaker(&marked), "", "{marked}");
    }
    assert_eq!(weaker("{runner_config: {base_url: \"https://staging.a.eu\"}}"), "");
}

#[test]
fn environments_are_whole_configurations() {
    let (set, _) = read_all(&Sources::new(Vec::new()));
    let stripe = &set.services["stripe"].service;
    let Some(Configuration::Http(dev)) = stripe.configuration(Some("dev")) else { panic!("{stripe:?}") };
    let url = Setting::Env { name: "STRIPE_BASE_URL".into(), default: Some("http://localhost:8420".into()) };
    assert_eq!(dev.base_url, Some(url));
    assert_eq!(
        dev.auth,
        Some(Auth::Bearer { token: Setting::Env { name: "STRIPE_SECRET_KEY".into(), default: None } })
    );
    assert_eq!(dev.body, BodyEncoding::Form);
    assert!(dev.plaintext && dev.policy.allow_private_network && dev.policy.allowed_hosts.is_empty());
    let Some(Configuration::Http(base)) = stripe.configuration(None) else { panic!() };
    assert!(!base.plaintext && !base.policy.allow_private_network);
    assert_eq!(stripe.configuration(Some("nope")), None);
}

#[test]
fn a_retry_after_an_open_outcome_needs_idempotency() {
    let retry = |more: &str| operation(&format!("name: s\npath: /s\nretry_on: [500, 503]{more}"));
    assert!(retry("").contains("error[SQ0512]: after a 500"), "{}", retry(""));
    assert!(retry("\nmethod: PUT\nidempotent: false").contains("SQ0512"));
    for more in ["\nidempotent: true", "\nidempotency_header: Idempotency-Key", "\nmethod: PUT"] {
        assert_eq!(retry(more), "", "{more}");
    }
    assert_eq!(operation("name: s\npath: /s\nretry_on: [429, 503]"), "");
    assert_eq!(retry("\nno_effect_codes: [500]"), "", "it is known that nothing was done");
}

#[test]
fn how_long_a_call_is_put_off_is_a_day_or_what_the_operation_says() {
    let (registry, said) = read_all(&sources(
        "services:
  - name: crm
    runner_config: {base_url: \"https://crm.example.eu\"}
    operations:
      - {name: sync, path: /sync}
      - {name: ping, path: /ping, give_up_after: 1500ms, no_effect_codes: [303, 503]}
",
    ));
    assert_eq!(said, "");
    let (_, sync) = registry.operation("crm", "sync").unwrap();
    let (_, ping) = registry.operation("crm", "ping").unwrap();
    assert_eq!((sync.give_up_after_seconds, ping.give_up_after_seconds), (86_400, 2));
    let Call::Http(call) = &ping.call else { panic!() };
    assert_eq!(call.no_effect_codes, [303, 503]);
    for wrong in ["soon", "0s", "9000h"] {
        let said = operation(&format!("name: s\npath: /s\ngive_up_after: {wrong}"));
        assert!(said.contains("error[SQ0505]") && said.contains("`give_up_after`"), "{said}");
    }
}

#[test]
fn slack_is_posted_to_at_its_documented_rate() {
    let (set, _) = read_all(&Sources::new(Vec::new()));
    let rate = Some(Rate { starts: 1, period_ms: 1_000 });
    assert_eq!(set.services["slack"].service.limits, Limits { concurrency: None, rate });
}

#[test]
fn whether_a_repetition_is_harmless_is_settled_here() {
    let (set, _) = read_all(&Sources::new(Vec::new()));
    let idempotent = |service, operation| set.operation(service, operation).unwrap().1.idempotent;
    assert!(idempotent("stripe", "create_charge"), "by its header");
    assert!(idempotent("stripe", "retrieve_charge"), "by its method");
    assert!(idempotent("webhook", "send"), "declared");
    assert!(!idempotent("sendgrid", "send_email"));
}

#[test]
fn numbers_are_in_their_range_and_words_known() {
    refused(
        &[
            ("name: s\npath: /s\ntimeout: 0", "SQ0505", "a whole number from 1 to 86400"),
            ("name: s\npath: /s\ntimeout: soon", "SQ0505", "a whole number"),
            ("name: s\npath: /s\ntimeout: \"30\"", "SQ0505", "a whole number"),
            ("name: s\npath: /s\nmax_retries: 0", "SQ0505", "from 1 to 100"),
            ("name: s\npath: /s\nunique: onse", "SQ0505", "did you mean `once`?"),
            ("name: s\npath: /s\nmethod: PSOT", "SQ0505", "did you mean `POST`?"),
            ("name: s\npath: /s\nsuccess: 99", "SQ0505", "status code"),
            ("name: s\npath: /s\nretry: {initial: 1}", "SQ0505", "takes text"),
            ("name: s\npath: /s\nretry: {initial: 1 fortnight}", "SQ0505", "a duration such as"),
            ("name: s\npath: /s\nretry: {initial: 5m, max: 1m}", "SQ0505", "shorter than the first"),
            ("name: s\npath: /s\ninput_schema: {a: intger}", "SQ0110", "did you mean `integer`?"),
            ("name: s\npath: /s\ninput_schema: {a: integer = ten}", "SQ0112", "expected integer"),
            ("name: s\npath: /s\noutput_schema: {a: integer = 1}", "SQ0112", "an output has no default"),
        ],
        operation,
    );
}

#[test]
fn schemas_hold_objects_lists_and_references() {
    let text = "name: s\npath: /s\ninput_schema:\n  address: {street: text!, zip: text}\n  lines: [{sku: text!}]\n  \
                from: {type: email, required: true, default: {env: FROM}, description: Who}";
    assert_eq!(operation(text), "");
    let yaml = format!(
        "services:\n  - name: crm\n    operations:\n      - {}\n",
        text.replace("path: /s\n", "").replace('\n', "\n        ")
    );
    let (set, _) = read_all(&sources(&yaml));
    let input = &set.operation("crm", "s").unwrap().1.input;
    assert_eq!(input.fields["address"].ty.describe(), "object");
    assert_eq!(input.fields["lines"].ty.describe(), "list(object)");
    let from = &input.fields["from"];
    assert!(from.required && from.description.as_deref() == Some("Who"));
    let setting = Setting::Env { name: "FROM".into(), default: None };
    assert_eq!(from.default, Some(FieldDefault::Setting(setting)));
}

#[test]
fn a_service_with_a_mistake_stays_so_that_it_makes_one_diagnostic() {
    let (set, _) =
        read_all(&sources("services:\n  - name: crm\n    tpye: x\n    operations: [{name: sync, timeout: x}]\n"));
    assert!(set.operation("crm", "sync").is_some());
}

#[test]
fn what_few_inputs_the_shipped_services_need() {
    let (set, _) = read_all(&Sources::new(Vec::new()));
    let needed = |service, operation| {
        let input = &set.operation(service, operation).unwrap().1.input;
        let needed = input.fields.iter().filter(|(_, field)| field.required && field.default.is_none());
        needed.map(|(name, _)| name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(needed("stripe", "create_charge"), ["amount"]);
    assert_eq!(needed("sendgrid", "send_email"), ["to", "subject"]);
    assert_eq!(needed("webhook", "send"), ["event", "payload"]);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]
    #[test]
    fn a_registry_with_a_piece_missing_makes_diagnostics_and_no_panic(file in 0_usize..4, from in 0.0..1.0, length in 1_usize..200) {
        let (_, text) = specql_registry::builtin::FILES[file];
        let start = ((text.len() as f64 * from) as usize).min(text.len() - 1);
        let end = (start + length).min(text.len());
        let damaged = format!("{}{}", &text[..start], &text[end..]);
        let sources = sources(&damaged);
        let mut found = Vec::new();
        let _ = read(&sources, &mut found);
        for diagnostic in &found {
            proptest::prop_assert!(diagnostics::render(diagnostic, &sources, false).contains(diagnostic.rule.code));
        }
    }
}
