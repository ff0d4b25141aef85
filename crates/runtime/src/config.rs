//! The configuration: one TOML file, with environment variables over it.
//!
//! `PURSER__GATEWAY__LISTEN=127.0.0.1:9000` sets `listen` in `[gateway]`; two underscores separate the parts of a key.
//! Lists in variables are separated by commas. Reading finds all problems at once, not just the first one.

mod check;
mod invoicing;
mod locations;
mod reader;
mod sections;
mod values;

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::path::{Path, PathBuf};

use ::config::{File, FileFormat};
use chrono::NaiveDate;
use messages::RoleName;
use rust_decimal::Decimal;
use secrecy::SecretString;

pub use invoicing::{DunningConfig, WhmcsConfig};
pub use locations::{LocationConfig, Locations, NotificationConfig, RgwConfig};

/// What is wrong with a key of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The key, such as `gateway.amqp_url`, or the file.
    pub key: String,
    /// What is wrong and what would be right. Never a secret.
    pub message: String,
}

impl Problem {
    fn new(key: impl Into<String>, message: impl Into<String>) -> Self {
        Self { key: key.into(), message: message.into() }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.key, self.message)
    }
}

/// Everything that is wrong with the configuration, one line per problem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(Vec<Problem>);

impl ConfigError {
    /// The problems; at least one.
    pub fn problems(&self) -> &[Problem] {
        &self.0
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the configuration is not usable:")?;
        self.0.iter().try_for_each(|problem| write!(f, "\n  {problem}"))
    }
}

impl std::error::Error for ConfigError {}

/// The whole configuration. A process may lack the sections of the roles that it doesn't run.
#[derive(Debug, Clone)]
pub struct Config {
    /// `[database]`: the owner's access, for migrations and operators' commands.
    pub database: Option<DatabaseConfig>,
    /// `[amqp]`: the broker's administrator, and whom the roles trust.
    pub amqp: AmqpConfig,
    /// `[gateway]`.
    pub gateway: Option<GatewayConfig>,
    /// `[provisioner]`.
    pub provisioner: Option<ProvisionerConfig>,
    /// `[metering]`.
    pub metering: Option<MeteringConfig>,
    /// `[billing]`.
    pub billing: Option<BillingConfig>,
    /// `[whmcs]`, where that issues the invoices.
    pub whmcs: Option<WhmcsConfig>,
    /// `[locations.<CODE>]`.
    pub locations: Locations,
    /// `[telemetry]`.
    pub telemetry: TelemetryConfig,
    /// `[health]`.
    pub health: HealthConfig,
}

/// `[database]`.
#[derive(Debug, Clone)]
pub struct DatabaseConfig {
    /// The owner's URL.
    pub url: SecretString,
}

/// `[amqp]`.
#[derive(Debug, Clone)]
pub struct AmqpConfig {
    /// The administrator's URL, which declares the topology.
    pub url: Option<SecretString>,
    /// Where the broker's management API is; where it is absent, at the administrator's host and the usual port.
    pub management_url: Option<url::Url>,
    /// Certificates of authorities, as PEM, that are trusted beside those that the system trusts. With it the broker is
    /// reached over TLS only.
    pub ca_file: Option<PathBuf>,
    /// Broker users that resolve their users' tokens themselves, beside the roles.
    pub trusted_publishers: Vec<String>,
    /// The roles' broker users.
    pub own_users: OwnUsers,
}

/// The roles' broker users.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnUsers(BTreeMap<&'static str, String>);

impl OwnUsers {
    /// The broker user of a role.
    pub fn of(&self, role: RoleName) -> &str {
        self.0.get(role.as_str()).map_or("", String::as_str)
    }
}

/// `[gateway]`.
#[derive(Debug, Clone)]
pub struct GatewayConfig {
    /// Where it serves HTTP.
    pub listen: SocketAddr,
    /// Its broker user's URL.
    pub amqp_url: SecretString,
    /// [`AmqpConfig::ca_file`].
    pub amqp_ca_file: Option<PathBuf>,
    /// Its database role's URL.
    pub database_url: SecretString,
    /// How long a request waits for its reply; queries expire after as long.
    pub reply_wait_seconds: u64,
    /// The largest body that is read.
    pub body_bytes_max: usize,
    /// How many requests are worked on at once, half of them for one role at most; more are told to come back.
    pub requests_max: usize,
    /// How many requests of one customer are worked on at once; more are told to come back.
    pub requests_per_customer_max: usize,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

/// `[provisioner]`.
#[derive(Debug, Clone)]
pub struct ProvisionerConfig {
    /// Its broker user's URL.
    pub amqp_url: SecretString,
    /// Its database role's URL.
    pub database_url: SecretString,
    /// The file with the keys that seal S3 secrets, one a line; the first seals, all open.
    pub sealing_key_file: PathBuf,
    /// After how long without an end an intent is resumed by somebody else.
    pub lease_seconds: u64,
    /// How often database and RGW are compared in the background; never where it is 0.
    pub reconcile_interval_seconds: u64,
    /// How many messages of each of its queues it works on at once; four times as many requests wait in hand.
    pub prefetch: u16,
}

/// `[metering]`.
#[derive(Debug, Clone)]
pub struct MeteringConfig {
    /// Its broker user's URL.
    pub amqp_url: SecretString,
    /// Its database role's URL.
    pub database_url: SecretString,
    /// How often every account is read, changed or not.
    pub sweep_interval_seconds: u64,
    /// How often RGW's usage log is read.
    pub traffic_interval_seconds: u64,
    /// How late RGW may write its usage log; an hour isn't final before.
    pub usage_flush_seconds: u64,
    /// After how many days usage records are deleted from RGW; never where absent.
    pub usage_trim_after_days: Option<u32>,
    /// How long changes of a bucket are gathered before it is read.
    pub change_delay_milliseconds: u64,
    /// How many messages of each of its queues it works on at once; four times as many requests wait in hand.
    pub prefetch: u16,
}

/// `[billing]`.
#[derive(Debug, Clone)]
pub struct BillingConfig {
    /// Its broker user's URL.
    pub amqp_url: SecretString,
    /// Its database role's URL.
    pub database_url: SecretString,
    /// After how long an unfinished order fails.
    pub order_deadline_seconds: u64,
    /// How many free accounts a customer may have.
    pub free_accounts_max: u32,
    /// Percent of tax by the customer's country (ISO 3166-1, upper-case) and by the day from which they apply; none where
    /// a country isn't listed.
    pub tax_percent: BTreeMap<String, BTreeMap<NaiveDate, Decimal>>,
    /// How many days after it was issued an invoice is due.
    pub payment_term_days: u32,
    /// How many hours an invoice waits for the usage before it to be final.
    pub usage_patience_hours: u32,
    /// `[billing.dunning]`: days after an invoice's due date; a step without days never comes.
    pub dunning: DunningConfig,
    /// How many messages of each of its queues it works on at once; four times as many requests wait in hand.
    pub prefetch: u16,
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Pretty,
    /// One JSON object a line.
    Json,
}

/// `[telemetry]`.
#[derive(Debug, Clone)]
pub struct TelemetryConfig {
    /// How log lines look.
    pub log_format: LogFormat,
    /// What is logged, as `tracing-subscriber` filters read: `info`, `info,bus=debug`.
    pub log_filter: String,
    /// Where a collector of OpenTelemetry takes traces over HTTP, without `/v1/traces`: `http://collector:4318`. Without it
    /// none are made.
    pub otlp_endpoint: Option<url::Url>,
}

/// `[health]`.
#[derive(Debug, Clone, Copy)]
pub struct HealthConfig {
    /// Where roles other than the gateway serve `/healthz`, `/readyz` and `/metrics`; nowhere by default.
    pub listen: Option<SocketAddr>,
}

impl Config {
    /// Reads the file, where there is one, and the environment over it.
    pub fn load(path: Option<&Path>) -> Result<Self, ConfigError> {
        let text = match path {
            None => String::new(),
            Some(path) => std::fs::read_to_string(path).map_err(|error| {
                let message = format!("can't be read: {error}; name another file with --config or PURSER_CONFIG");
                ConfigError(vec![Problem::new(path.display().to_string(), message)])
            })?,
        };
        let variables =
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        Self::from_sources(&text, variables)
    }

    /// The same from a TOML text and any variables; those that don't begin with `PURSER__` are ignored.
    pub fn from_sources(
        toml: &str,
        variables: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, ConfigError> {
        let mut problems = Vec::new();
        let mut builder = ::config::Config::builder().add_source(File::from_str(toml, FileFormat::Toml));
        for (name, value) in variables {
            let Some(key) = name.strip_prefix("PURSER__").map(variable_key) else { continue };
            match builder.clone().set_override(&key, value) {
                Ok(with_override) => builder = with_override,
                Err(_) => problems.push(Problem::new(name, "is no key: write PURSER__SECTION__KEY")),
            }
        }
        let root = match builder.build().and_then(::config::Config::try_deserialize) {
            Ok(root) => root,
            Err(error) => {
                problems.push(Problem::new("the file", without_source_lines(&error.to_string())));
                return Err(ConfigError(problems));
            }
        };
        let config = sections::read(root, &mut problems);
        if problems.is_empty() { Ok(config) } else { Err(ConfigError(problems)) }
    }
}

/// `LOCATIONS__NL__RGW_URL` is `locations.NL.rgw_url`: keys are lower-case, but for the codes of locations.
fn variable_key(name: &str) -> String {
    let mut parts: Vec<String> = name.split("__").map(str::to_ascii_lowercase).collect();
    if let [section, code, ..] = parts.as_mut_slice()
        && section == "locations"
    {
        code.make_ascii_uppercase();
    }
    parts.join(".")
}

/// TOML errors quote the line they are about, which may hold a secret.
fn without_source_lines(error: &str) -> String {
    let quoted =
        |line: &&str| line.split_once('|').is_none_or(|(margin, _)| !margin.trim().bytes().all(|b| b.is_ascii_digit()));
    error.lines().filter(quoted).map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(": ")
}

#[cfg(test)]
mod tests;
