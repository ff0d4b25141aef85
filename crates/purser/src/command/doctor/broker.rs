//! The broker: logins of the roles, and whether it has what it should have.

use std::time::Duration;

use bus::{Bus, BusConfig, Topology};
use messages::RoleName;
use runtime::config::Config;
use secrecy::SecretString;

use super::Check;
use crate::command::{bus_config, topology};

const PATIENCE: Duration = Duration::from_secs(5);

/// Logs in as each role that has a section, as the administrator where that is known, and compares the topology.
pub(super) async fn checks(config: &Config) -> Vec<Check> {
    let mut checks = Vec::new();
    for role in config.configured_roles() {
        if let Some(url) = config.amqp_url_of(role) {
            checks.push(login(role, url, config).await);
        }
    }
    if config.amqp.url.is_some() {
        checks.push(compared(config).await);
    }
    checks
}

/// Whether the role gets in and finds its queues.
async fn login(role: RoleName, url: &SecretString, config: &Config) -> Check {
    let name = format!("broker.{role}");
    let bus_config = BusConfig { connect_wait: PATIENCE, ..bus_config(config, url, "purser-doctor") };
    let bus = match Bus::connect(bus_config).await {
        Ok(bus) => bus,
        Err(error) => {
            let remedy = format!("check {role}.amqp_url; rabbitmqctl authenticate_user, list_permissions");
            return Check::failed(name, error.to_string(), remedy);
        }
    };
    let found = Topology::of_role(role).check(&bus).await;
    let is_blocked = bus.is_blocked();
    bus.close().await;
    match found {
        Err(error) => Check::failed(name, error.to_string(), "run `purser migrate`, then `purser topology check`"),
        Ok(()) if is_blocked => {
            let remedy = "rabbitmq-diagnostics alarms; give it memory or disk space";
            Check::failed(name, "the broker takes no messages: it is short of memory or disk space", remedy)
        }
        Ok(()) => Check::ok(name, "logs in and finds its queues"),
    }
}

async fn compared(config: &Config) -> Check {
    const NAME: &str = "broker.topology";
    match topology::drifts(config).await {
        Ok(drifts) if drifts.is_empty() => {
            Check::ok(NAME, "exchanges, queues, bindings, policies and permissions are as they should be")
        }
        Ok(drifts) => {
            let first: Vec<_> = drifts
                .iter()
                .take(3)
                .map(|drift| format!("{} {}", drift.difference.kind, drift.difference.what))
                .collect();
            let more = drifts.len().saturating_sub(first.len());
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            Check::failed(NAME, format!("{}{more}", first.join(", ")), "see `purser topology check`")
        }
        Err(error) => {
            Check::failed(NAME, format!("{error:#}"), "set amqp.management_url and a user with the tag administrator")
        }
    }
}
