//! `purser topology`.

use std::process::ExitCode;

use bus::{BrokerUser, Difference, DifferenceKind, Permissions, Topology};
use clap::Subcommand;
use messages::RoleName;
use runtime::config::Config;
use serde::Serialize;

use super::broker::{Broker, UserPermissions};
use super::table;

/// What there should be on the broker
#[derive(Debug, Subcommand)]
pub(crate) enum TopologyCommand {
    /// Compare exchanges, queues, bindings, policies and the roles' permissions with what they should be
    ///
    /// Exit code 0: they are. 1: something differs. 2: it couldn't be compared.
    Check {
        /// Print the differences as JSON
        #[arg(long)]
        json: bool,
    },
    /// Print definitions to import into one virtual host; needs no configuration
    Definitions {
        /// Print them for a whole broker instead, which gets this virtual host: for `rabbitmqctl import_definitions`
        #[arg(long, value_name = "NAME")]
        vhost: Option<String>,
    },
}

/// What differs, and how it is put right.
#[derive(Debug, Serialize)]
pub(super) struct Drift {
    #[serde(flatten)]
    pub(super) difference: Difference,
    pub(super) remedy: String,
}

/// The definitions that operators import.
pub(super) fn definitions(vhost: Option<&str>) -> anyhow::Result<ExitCode> {
    let topology = Topology::purser();
    let definitions =
        vhost.map_or_else(|| topology.definitions_json(), |vhost| topology.broker_definitions_json(vhost));
    println!("{}", serde_json::to_string_pretty(&definitions)?);
    Ok(ExitCode::SUCCESS)
}

impl TopologyCommand {
    pub(super) async fn run(self, config: &Config) -> anyhow::Result<ExitCode> {
        let json = match self {
            Self::Check { json } => json,
            Self::Definitions { vhost } => return definitions(vhost.as_deref()),
        };
        let drifts = drifts(config).await?;
        if json {
            println!("{}", serde_json::to_string_pretty(&drifts)?);
        } else if drifts.is_empty() {
            println!("the broker has what it should have");
        } else {
            let rows = drifts.iter().map(|Drift { difference: Difference { kind, what, detail }, remedy }| {
                [kind.to_string(), what.clone(), detail.clone(), remedy.clone()]
            });
            println!("{}", table::plain(["how", "what", "detail", "remedy"], rows).trim_fmt());
        }
        Ok(if drifts.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
    }
}

/// All that differs on the broker of `amqp.url`.
pub(super) async fn drifts(config: &Config) -> anyhow::Result<Vec<Drift>> {
    let broker = Broker::new(config)?;
    let differences = Topology::purser().differences(&broker.definitions().await?);
    let mut drifts: Vec<Drift> =
        differences.into_iter().map(|difference| of_topology(difference, &broker.vhost)).collect();
    let there = broker.permissions().await?;
    for role in config.configured_roles() {
        drifts.extend(of_permissions(config.amqp.own_users.of(role), role, &there, &broker.vhost));
    }
    Ok(drifts)
}

fn of_topology(difference: Difference, vhost: &str) -> Drift {
    let is_policy = difference.what.starts_with("policy ");
    let remedy = match difference.kind {
        DifferenceKind::Missing | DifferenceKind::Changed if is_policy => format!(
            "purser topology definitions --vhost '{vhost}' >definitions.json; rabbitmqctl import_definitions definitions.json, \
             or rabbitmqctl set_policy"
        ),
        DifferenceKind::Missing => "purser migrate".to_owned(),
        // Arguments can't be changed: what is in it must be moved or worked off first.
        DifferenceKind::Changed => "stop the roles, empty and delete it, then purser migrate".to_owned(),
        DifferenceKind::Unexpected => "find out who made it; delete it where nobody needs it".to_owned(),
    };
    Drift { difference, remedy }
}

fn of_permissions(user: &str, role: RoleName, there: &[UserPermissions], vhost: &str) -> Option<Drift> {
    let Permissions { configure, write, read } = BrokerUser::Role(role).permissions();
    let (kind, detail) = match there.iter().find(|found| found.user == user) {
        None => (DifferenceKind::Missing, String::new()),
        Some(found) => {
            let differing = [
                ("configure", configure, &found.configure),
                ("write", write, &found.write),
                ("read", read, &found.read),
            ]
            .into_iter()
            .filter(|(_, wanted, live)| wanted != live)
            .map(|(what, wanted, live)| format!("{what} is {live}, not {wanted}"));
            (DifferenceKind::Changed, differing.collect::<Vec<_>>().join(", "))
        }
    };
    let is_drift = kind == DifferenceKind::Missing || !detail.is_empty();
    is_drift.then(|| Drift {
        difference: Difference { kind, what: format!("permissions of {user}"), detail },
        remedy: format!("rabbitmqctl set_permissions -p {vhost} {user} '{configure}' '{write}' '{read}'"),
    })
}
