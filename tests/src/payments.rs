//! Real stand-ins for Stripe: `localstripe` keeps state and ignores `Idempotency-Key`; `stripe-stateful-mock` honours it.

use std::process::Command;

use serde_json::Value;

use crate::{
    process::{Process, free_port, wait_for_port},
    tool,
};

/// The secret key that both accept.
pub const KEY: &str = "sk_test_12345";

/// A running stand-in.
#[derive(Debug)]
pub struct Stripe {
    /// Its base URL.
    pub url: String,
    client: reqwest::Client,
    _process: Process,
}

impl Stripe {
    /// Starts localstripe with no data.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn localstripe() -> Self {
        let port = free_port();
        let mut command = Command::new(tool::program("localstripe"));
        command.args(["--port", &port.to_string(), "--from-scratch"]);
        Self::start(port, command)
    }

    /// Starts stripe-stateful-mock.
    ///
    /// # Panics
    /// When it is not installed.
    #[must_use]
    pub fn stateful_mock() -> Self {
        let port = free_port();
        let mut command = Command::new("node");
        command
            .arg(tool::folder("SPECQL_TEST_NODE", "node").join("node_modules/stripe-stateful-mock/dist/cli.js"))
            .env("PORT", port.to_string())
            .env("LOG_LEVEL", "error");
        Self::start(port, command)
    }

    fn start(port: u16, mut command: Command) -> Self {
        let process = Process::start(&mut command);
        wait_for_port(port);
        // reqwest is built without a provider of its own; a second installation is refused, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Self { url: format!("http://127.0.0.1:{port}"), client: reqwest::Client::new(), _process: process }
    }

    /// A payment method of a card with this number (localstripe wants one; the other takes `tok_visa`).
    ///
    /// # Panics
    /// When the service refuses.
    pub async fn payment_method(&self, number: &str) -> String {
        let form = [
            ("type", "card"),
            ("card[number]", number),
            ("card[exp_month]", "12"),
            ("card[exp_year]", "2040"),
            ("card[cvc]", "123"),
        ];
        let request = self.client.post(format!("{}/v1/payment_methods", self.url)).bearer_auth(KEY).form(&form);
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        answer["id"].as_str().unwrap_or_else(|| panic!("no payment method: {answer}")).to_owned()
    }

    /// All charges that the service knows.
    ///
    /// # Panics
    /// When the service does not answer.
    pub async fn charges(&self) -> Vec<Value> {
        let request = self.client.get(format!("{}/v1/charges", self.url)).bearer_auth(KEY);
        let answer: Value = request.send().await.expect("an answer").json().await.expect("JSON");
        answer["data"].as_array().unwrap_or_else(|| panic!("no list: {answer}")).clone()
    }
}
