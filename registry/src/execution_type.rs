//! Where a service's operations run.

use serde::{Deserialize, Serialize};

/// The kind of runner that serves a service.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExecutionType {
    /// A call to an HTTP API.
    #[default]
    Http,
    /// A command on the worker's machine.
    Shell,
    /// A container.
    Docker,
    /// A function of a cloud provider.
    Serverless,
}

impl ExecutionType {
    /// All types.
    pub const ALL: [Self; 4] = [Self::Http, Self::Shell, Self::Docker, Self::Serverless];

    /// The name in YAML and in `jobs.tb_job_run.execution_type`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Shell => "shell",
            Self::Docker => "docker",
            Self::Serverless => "serverless",
        }
    }

    /// The name for people.
    #[must_use]
    pub const fn display_name(self) -> &'static str {
        match self {
            Self::Http => "HTTP API",
            Self::Shell => "Shell Script",
            Self::Docker => "Docker Container",
            Self::Serverless => "Serverless Function",
        }
    }

    /// Whether a job of this type reaches the network by itself.
    #[must_use]
    pub const fn requires_network(self) -> bool {
        matches!(self, Self::Http | Self::Serverless)
    }

    /// Whether its output can be followed while it runs.
    #[must_use]
    pub const fn supports_streaming(self) -> bool {
        matches!(self, Self::Shell | Self::Docker)
    }

    /// Seconds before a call is given up, where neither step nor operation nor service says it.
    #[must_use]
    pub const fn default_timeout_seconds(self) -> u32 {
        match self {
            Self::Http => 300,
            Self::Shell => 600,
            Self::Docker => 1800,
            Self::Serverless => 900,
        }
    }
}
