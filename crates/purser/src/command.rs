//! The command line.

mod account;
mod api_key;
mod bearer;
mod billing;
mod broker;
mod bucket;
mod completions;
mod config;
mod customer;
mod doctor;
mod duration;
mod handover;
mod health;
mod history;
mod invoice;
mod keys;
mod ledger;
mod migrate;
mod moment;
mod parked;
mod payment;
mod plan;
mod progress;
mod reconcile;
mod serve;
mod service;
mod table;
mod token;
mod topology;
mod trace;
mod usage;
mod worker;

use std::path::PathBuf;
use std::process::ExitCode;
use std::str::FromStr;
use std::sync::Arc;

use ::history::Journal;
use anyhow::Context;
use bus::BusConfig;
use chrono::TimeDelta;
use clap::{Parser, Subcommand};
use messages::RoleName;
use model::SystemClock;
use runtime::config::Config;
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

/// What every command's exit code means; [`Cli::failure_code`] has the commands of the last line.
const EXIT_CODES: &str = "\
Exit codes:
  0  done, and where something was compared or checked, everything agrees
  1  it failed or was refused, and stderr says why
  2  the command line can't be understood
Of doctor, reconcile, keys, topology, trace, parked, ledger verify and billing run:
  1  something differs, is missing or is left
  2  it couldn't be done or found out, and stderr says why";

/// Sells S3 storage on a Ceph cluster; its front door is RabbitMQ.
#[derive(Debug, Parser)]
#[command(version, max_term_width = 100, after_help = EXIT_CODES)]
pub(crate) struct Cli {
    /// The configuration; variables like `PURSER__GATEWAY__LISTEN` override its keys.
    #[arg(long, value_name = "FILE", env = "PURSER_CONFIG", default_value = "purser.toml", global = true)]
    config: PathBuf,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve HTTP, and ask the other roles over RabbitMQ
    Gateway,
    /// Make and remove accounts, keys, quotas and buckets on Ceph
    Provisioner,
    /// Measure what accounts use
    Metering,
    /// Keep plans, orders, services and invoices; with a command below, look at periods or issue what is due
    Billing(billing::Billing),
    /// Run all four roles in one process
    All,
    /// Bring the database and the broker to this version's state
    Migrate(migrate::Migrate),
    /// Accounts on Ceph
    #[command(subcommand)]
    Account(account::AccountCommand),
    /// Buckets
    #[command(subcommand)]
    Bucket(bucket::BucketCommand),
    /// Services: what accounts are charged for
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Tokens for the HTTP API
    #[command(subcommand)]
    Token(token::TokenCommand),
    /// API keys, with which programs get tokens from the HTTP API
    #[command(subcommand)]
    ApiKey(api_key::ApiKeyCommand),
    /// Pricing plans
    #[command(subcommand)]
    Plan(plan::PlanCommand),
    /// Customers
    #[command(subcommand)]
    Customer(customer::CustomerCommand),
    /// What WHMCS must be told, where that issues the invoices
    #[command(subcommand)]
    Handover(handover::HandoverCommand),
    /// Invoices and credit notes
    #[command(subcommand)]
    Invoice(invoice::InvoiceCommand),
    /// Payments
    #[command(subcommand)]
    Payment(payment::PaymentCommand),
    /// The books
    #[command(subcommand)]
    Ledger(ledger::LedgerCommand),
    /// What an account used
    Usage(usage::UsageCommand),
    /// Messages that were set aside for a person
    #[command(subcommand)]
    Parked(parked::ParkedCommand),
    /// What happened: read it, publish it again
    #[command(subcommand)]
    History(history::HistoryCommand),
    /// Show one command's way through the roles: when it was taken, what it led to, how it was answered
    Trace(trace::Trace),
    /// What there should be on the broker
    #[command(subcommand)]
    Topology(topology::TopologyCommand),
    /// Compare database and RGW, and put right what is asked for
    ///
    /// Exit code 0: they agree. 1: something doesn't. 2: something couldn't be compared.
    Reconcile(reconcile::Reconcile),
    /// The keys that seal S3 secrets
    #[command(subcommand)]
    Keys(keys::KeysCommand),
    /// Check what Purser needs around it, and say what to do where something is missing
    ///
    /// Exit code 0: everything works. 1: something doesn't. 2: it couldn't be checked.
    Doctor(doctor::Doctor),
    Health(health::Health),
    /// Print completions for a shell, to be kept where it looks for them
    Completions(completions::Completions),
    /// The configuration
    #[command(subcommand)]
    Config(config::ConfigCommand),
}

impl Cli {
    /// How this command ends when it fails: where 1 tells of what was found, a failure is something else.
    pub(crate) fn failure_code(&self) -> ExitCode {
        match self.command {
            Command::Parked(_)
            | Command::Reconcile(_)
            | Command::Doctor(_)
            | Command::Keys(_)
            | Command::Topology(_)
            | Command::Trace(_)
            | Command::Ledger(ledger::LedgerCommand::Verify { .. })
            | Command::Billing(billing::Billing { command: Some(billing::BillingCommand::Run(_)) }) => {
                ExitCode::from(2)
            }
            _ => ExitCode::FAILURE,
        }
    }

    /// Does what was asked for. Roles return when they were told to end.
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        use billing::{Billing, BillingCommand};
        if let Command::Billing(Billing { command: Some(BillingCommand::Schedule(command)) }) = self.command {
            // Arithmetic only: it works where there is no configuration.
            return command.run().map(|()| ExitCode::SUCCESS);
        }
        if let Command::Completions(command) = self.command {
            return Ok(command.run());
        }
        if let Command::Topology(topology::TopologyCommand::Definitions { vhost }) = self.command {
            return topology::definitions(vhost.as_deref());
        }
        let config = Config::load(Some(&self.config))?;
        let done = match self.command {
            Command::Gateway => serve::run(config, &[RoleName::Gateway]).await,
            Command::Provisioner => serve::run(config, &[RoleName::Provisioner]).await,
            Command::Metering => serve::run(config, &[RoleName::Metering]).await,
            Command::Billing(Billing { command: Some(command) }) => return command.run(&config).await,
            Command::Billing(Billing { command: None }) => serve::run(config, &[RoleName::Billing]).await,
            Command::All => serve::run(config, &serve::ALL).await,
            Command::Migrate(command) => command.run(&config).await,
            Command::Account(command) => command.run(&config).await,
            Command::Bucket(command) => command.run(&config).await,
            Command::Service(command) => command.run(&config).await,
            Command::Token(command) => command.run(&config).await,
            Command::ApiKey(command) => command.run(&config).await,
            Command::Plan(command) => command.run(&config).await,
            Command::Customer(command) => command.run(&config).await,
            Command::Handover(command) => command.run(&config).await,
            Command::Invoice(command) => command.run(&config).await,
            Command::Payment(command) => command.run(&config).await,
            Command::Ledger(command) => return command.run(&config).await,
            Command::Usage(command) => command.run(&config).await,
            Command::Parked(command) => return command.run(&config).await,
            Command::Completions(command) => return Ok(command.run()),
            Command::History(command) => command.run(&config).await,
            Command::Trace(command) => return command.run(&config).await,
            Command::Topology(command) => return command.run(&config).await,
            Command::Reconcile(command) => return command.run(&config).await,
            Command::Keys(command) => return command.run(&config).await,
            Command::Doctor(command) => return command.run(&config).await,
            Command::Health(command) => command.run(&config).await,
            Command::Config(command) => command.run(&config, &self.config),
        };
        done.map(|()| ExitCode::SUCCESS)
    }
}

/// A role's journal, written with the rights of the database's owner; what operators change is recorded there.
async fn journal(config: &Config, role: RoleName) -> anyhow::Result<Journal> {
    let options = PgConnectOptions::from_str(owner_url(config)?)
        .context("database.url can't be read")?
        .options([("search_path", role.as_str())]);
    let pool = PgPoolOptions::new().max_connections(2).connect_with(options).await.context("database.url")?;
    Ok(Journal::new(pool, role, Arc::new(SystemClock), TimeDelta::seconds(30)))
}

/// What billing works with, for commands that do its work.
fn billing_settings(config: &Config) -> anyhow::Result<::billing::Settings> {
    let own = config.billing.as_ref().context("this command needs the section [billing]")?;
    worker::billing_settings(config, own)
}

/// How to connect to the broker with one of the configuration's URLs.
fn bus_config(config: &Config, url: &SecretString, name: impl Into<String>) -> BusConfig {
    BusConfig { ca_file: config.amqp.ca_file.clone(), ..BusConfig::new(url.clone(), name) }
}

/// A connection as the database's owner.
async fn owner_pool(config: &Config) -> anyhow::Result<PgPool> {
    PgPool::connect(owner_url(config)?).await.context("database.url: no connection")
}

/// The URL of the database's owner.
fn owner_url(config: &Config) -> anyhow::Result<&str> {
    let database = config.database.as_ref().context("this command needs the section [database] with url")?;
    Ok(database.url.expose_secret())
}

#[cfg(test)]
mod tests {
    use clap::{Command, CommandFactory};

    use super::Cli;

    /// Commands without `--json`, and why.
    const WITHOUT_JSON: [&str; 8] = [
        // Roles: they serve until they are told to end; their log has a format of its own.
        "gateway",
        "provisioner",
        "metering",
        "billing",
        "all",
        // Text for a shell.
        "completions",
        // They print JSON as it is.
        "parked show",
        "topology definitions",
    ];

    /// The commands that do something, by their names.
    fn leaves(command: &Command, path: &str, found: &mut Vec<(String, bool)>) {
        let has_json = command.get_arguments().any(|argument| argument.get_long() == Some("json"));
        if !path.is_empty() && (!command.has_subcommands() || !command.is_subcommand_required_set()) {
            found.push((path.to_owned(), has_json));
        }
        for child in command.get_subcommands() {
            leaves(child, format!("{path} {}", child.get_name()).trim(), found);
        }
    }

    #[test]
    fn every_command_prints_json_when_asked() {
        let mut found = Vec::new();
        leaves(&Cli::command(), "", &mut found);
        let mut without: Vec<&str> =
            found.iter().filter(|(_, has_json)| !has_json).map(|(path, _)| &path[..]).collect();
        let mut expected = WITHOUT_JSON.to_vec();
        without.sort_unstable();
        expected.sort_unstable();
        assert_eq!(without, expected);
        assert!(found.iter().any(|(path, has_json)| path == "account show" && *has_json), "{found:?}");
    }

    #[test]
    fn the_command_line_is_sound_and_tells_its_exit_codes() {
        Cli::command().debug_assert();
        let help = Cli::command().render_long_help().to_string();
        assert!(help.contains("Exit codes:") && help.contains("  2  the command line can't be understood"), "{help}");
    }
}
