//! The configuration: the only place that reads the environment. All problems are reported
//! together, each with the name of its variable. An invalid value is never replaced by a default.

mod reader;
mod settings;
mod source;

use secrecy::SecretString;

use crate::jumpcloud::Endpoints;
use crate::proxy::Proxy;
use engine::fleet::discover::OrganizationSource;
use engine::report::Metrics;
use engine::settings::Settings;
pub use reader::ConfigError;
use reader::{Lookup, Reader};

/// The whole configuration of the function.
#[derive(Clone, Debug)]
pub struct Config {
    /// The settings of the engine.
    pub settings: Settings,
    /// Name of the table of cursors.
    pub cursor_table: String,
    /// The secret's name or ARN.
    pub secret_id: String,
    /// URL of the SQS queue for runs over many streams, if there is one.
    pub work_queue_url: Option<String>,
    /// How many streams are worked on at the same time from that queue.
    pub work_concurrency: usize,
    /// Where metrics go.
    pub metrics: Metrics,
    /// What JumpCloud is asked for.
    pub source: Source,
    /// Whether buckets are part of the path of S3's URL: if another endpoint than AWS's is
    /// configured.
    pub s3_path_style: bool,
}

/// What is requested from JumpCloud, and from which URLs. The function and the command line share
/// it.
#[derive(Clone, Debug)]
pub struct Source {
    /// The URLs of JumpCloud's APIs.
    pub endpoints: Endpoints,
    /// The proxy for requests to JumpCloud and AWS, if there is one.
    pub proxy: Option<Proxy>,
    /// Which organizations are collected.
    pub organizations: OrganizationSource,
    /// The lowest level of events that are logged.
    pub log_level: tracing::Level,
}

impl Config {
    /// Reads the function's environment.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the environment")]
    pub fn from_env() -> Result<Self, ConfigError> {
        Self::read(&|name| std::env::var(name))
    }

    /// Reads a configuration from `lookup`.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem.
    pub fn read(lookup: Lookup<'_>) -> Result<Self, ConfigError> {
        let mut reader = Reader::new(lookup);
        let archive_bucket = reader.required("ARCHIVE_BUCKET");
        let state_bucket = reader.required("STATE_BUCKET");
        if !archive_bucket.is_empty() && archive_bucket == state_bucket {
            reader.problem("STATE_BUCKET", "is the archive's bucket, which SIEMs may read");
        }
        let cursor_table = reader.required("CURSOR_TABLE");
        let secret_id = reader.secret_id();
        let settings = reader.settings(archive_bucket, state_bucket);
        let config = Self {
            cursor_table,
            secret_id,
            work_queue_url: reader.web_address("WORK_QUEUE_URL"),
            work_concurrency: reader.number("WORK_CONCURRENCY", 5, 2..=1_000),
            metrics: reader.metrics(settings.retention_ms),
            settings,
            source: reader.source(),
            s3_path_style: reader.has_s3_endpoint(),
        };
        reader.done(config)
    }
}

/// Reads the proxy only. An invalid one is ignored, so that CloudFormation can be told about the
/// problems of the configuration.
#[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
#[must_use]
pub fn proxy_from_env() -> Option<Proxy> {
    Reader::new(&|name| std::env::var(name)).proxy()
}

/// The configuration of the command line, which has no bucket, table or secret.
#[derive(Debug)]
pub struct Terminal {
    /// What JumpCloud is asked for.
    pub source: Source,
    /// What the engine needs.
    pub settings: Settings,
    /// The API key, if it is in the environment.
    pub api_key: Option<SecretString>,
    /// How much is logged, if that is set: a person reads what a command prints.
    pub log_level: Option<tracing::Level>,
    /// Whether S3 is somewhere else than at AWS, where buckets are folders.
    pub s3_path_style: bool,
}

impl Terminal {
    /// Reads the environment of the command line. `archive` and `state` are the names of the
    /// folders.
    ///
    /// # Errors
    /// [`ConfigError`], with every problem.
    #[expect(clippy::disallowed_methods, reason = "the only place that reads the environment")]
    pub fn from_env(archive: &str, state: &str) -> Result<Self, ConfigError> {
        let lookup = |name: &str| std::env::var(name);
        let mut reader = Reader::new(&lookup);
        let source = reader.source();
        let terminal = Self {
            log_level: reader.text("LOG_LEVEL").map(|_| source.log_level),
            source,
            settings: reader.settings(archive.to_owned(), state.to_owned()),
            s3_path_style: reader.has_s3_endpoint(),
            api_key: reader.text("JUMPCLOUD_API_KEY").map(SecretString::from),
        };
        reader.done(terminal)
    }
}

#[cfg(test)]
mod tests;
