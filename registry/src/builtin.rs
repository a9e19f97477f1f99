//! The built-in services, as YAML text. The compiler decodes and checks them like a project's own.

/// File name (for diagnostics) and text of each built-in registry file.
pub static FILES: &[(&str, &str)] = &[
    ("sendgrid.yaml", include_str!("../services/sendgrid.yaml")),
    ("slack.yaml", include_str!("../services/slack.yaml")),
    ("stripe.yaml", include_str!("../services/stripe.yaml")),
    ("webhook.yaml", include_str!("../services/webhook.yaml")),
];
