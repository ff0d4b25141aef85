//! The sections and their keys: this is the list of what can be configured, with its defaults and bounds.

use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use ::config::Value;
use messages::RoleName;

use super::invoicing::{dunning, tax_percent, whmcs};
use super::reader::Section;
use super::values::{
    amqp_url, collector_url, database_url, http_url, integer, ip_addresses, log_filter, log_format, path,
    socket_address, text, texts,
};
use super::{
    AmqpConfig, BillingConfig, Config, DatabaseConfig, GatewayConfig, HealthConfig, LogFormat, MeteringConfig,
    OwnUsers, Problem, ProvisionerConfig, TelemetryConfig, check, locations,
};

const DAY_SECONDS: u64 = 24 * 60 * 60;

/// Reads everything; what comes back counts only where no problem was found.
pub(super) fn read(root: Value, problems: &mut Vec<Problem>) -> Config {
    let mut root = Section::new("", root, problems);
    // A missing section is none of this process's business; a broken one is a problem that is noted.
    let database = root.optional_table("database").and_then(database);
    let amqp = amqp(root.table("amqp"));
    let config = Config {
        database,
        gateway: root.optional_table("gateway").and_then(|section| gateway(section, amqp.ca_file.clone())),
        amqp,
        provisioner: root.optional_table("provisioner").and_then(provisioner),
        metering: root.optional_table("metering").and_then(metering),
        billing: root.optional_table("billing").and_then(billing),
        whmcs: root.optional_table("whmcs").and_then(whmcs),
        locations: locations::read(root.table("locations")),
        telemetry: telemetry(root.table("telemetry")),
        health: health(root.table("health")),
    };
    root.finish();
    problems.extend(check::plain_broker_urls(&config));
    config
}

fn database(mut section: Section<'_>) -> Option<DatabaseConfig> {
    let url = section.required("url", database_url);
    section.finish();
    Some(DatabaseConfig { url: url? })
}

fn amqp(mut section: Section<'_>) -> AmqpConfig {
    let url = section.optional("url", amqp_url);
    let management_url = section.optional("management_url", http_url);
    let ca_file = section.optional("ca_file", path);
    let trusted_publishers = section.or("trusted_publishers", vec!["php-frontend".to_owned()], texts);
    let own_users = own_users(section.table("own_users"));
    section.finish();
    AmqpConfig { url, management_url, ca_file, trusted_publishers, own_users }
}

fn own_users(mut section: Section<'_>) -> OwnUsers {
    let users = [RoleName::Gateway, RoleName::Provisioner, RoleName::Metering, RoleName::Billing]
        .map(|role| (role.as_str(), section.or(role.as_str(), format!("purser-{role}"), text)));
    section.finish();
    OwnUsers(users.into())
}

fn gateway(mut section: Section<'_>, amqp_ca_file: Option<PathBuf>) -> Option<GatewayConfig> {
    let listen = section.or("listen", SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)), socket_address);
    let amqp_url = section.required("amqp_url", amqp_url);
    let database_url = section.required("database_url", database_url);
    let reply_wait_seconds = section.or("reply_wait_seconds", 25, integer(1..=30));
    let body_bytes_max = section.or("body_bytes_max", 1_048_576, integer(1024..=1_048_576));
    let requests_max = section.or("requests_max", 512, integer(2..=100_000));
    let requests_per_customer_max = section.or("requests_per_customer_max", 64, integer(1..=10_000));
    let trusted_proxies = section.or("trusted_proxies", Vec::new(), ip_addresses);
    section.finish();
    Some(GatewayConfig {
        listen,
        amqp_url: amqp_url?,
        amqp_ca_file,
        database_url: database_url?,
        reply_wait_seconds,
        body_bytes_max,
        requests_max,
        requests_per_customer_max,
        trusted_proxies,
    })
}

fn provisioner(mut section: Section<'_>) -> Option<ProvisionerConfig> {
    let amqp_url = section.required("amqp_url", amqp_url);
    let database_url = section.required("database_url", database_url);
    let sealing_key_file = section.required("sealing_key_file", path);
    let lease_seconds = section.or("lease_seconds", 30, integer(1..=3600));
    let reconcile_interval_seconds =
        section.or("reconcile_interval_seconds", DAY_SECONDS, integer(0..=30 * DAY_SECONDS));
    let prefetch = prefetch(&mut section);
    section.finish();
    Some(ProvisionerConfig {
        amqp_url: amqp_url?,
        database_url: database_url?,
        sealing_key_file: sealing_key_file?,
        lease_seconds,
        reconcile_interval_seconds,
        prefetch,
    })
}

fn metering(mut section: Section<'_>) -> Option<MeteringConfig> {
    let amqp_url = section.required("amqp_url", amqp_url);
    let database_url = section.required("database_url", database_url);
    let sweep_interval_seconds = section.or("sweep_interval_seconds", 900, integer(1..=DAY_SECONDS));
    let traffic_interval_seconds = section.or("traffic_interval_seconds", 60, integer(1..=3600));
    let usage_flush_seconds = section.or("usage_flush_seconds", 120, integer(1..=3600));
    // What is younger may still be corrected.
    let usage_trim_after_days = section.optional("usage_trim_after_days", integer(7..=3650));
    let change_delay_milliseconds = section.or("change_delay_milliseconds", 500, integer(0..=60_000));
    let prefetch = prefetch(&mut section);
    section.finish();
    Some(MeteringConfig {
        amqp_url: amqp_url?,
        database_url: database_url?,
        sweep_interval_seconds,
        traffic_interval_seconds,
        usage_flush_seconds,
        usage_trim_after_days,
        change_delay_milliseconds,
        prefetch,
    })
}

fn billing(mut section: Section<'_>) -> Option<BillingConfig> {
    let amqp_url = section.required("amqp_url", amqp_url);
    let database_url = section.required("database_url", database_url);
    let order_deadline_seconds = section.or("order_deadline_seconds", 600, integer(1..=DAY_SECONDS));
    let free_accounts_max = section.or("free_accounts_max", 1, integer(0..=1000));
    let payment_term_days = section.or("payment_term_days", 14, integer(0..=365));
    let usage_patience_hours = section.or("usage_patience_hours", 72, integer(0..=24 * 90));
    let dunning = dunning(section.table("dunning"));
    let tax_percent = tax_percent(section.table("tax_percent"));
    let prefetch = prefetch(&mut section);
    section.finish();
    Some(BillingConfig {
        amqp_url: amqp_url?,
        database_url: database_url?,
        order_deadline_seconds,
        free_accounts_max,
        tax_percent,
        payment_term_days,
        usage_patience_hours,
        dunning,
        prefetch,
    })
}

fn prefetch(section: &mut Section<'_>) -> u16 {
    section.or("prefetch", 64, integer(1..=2000))
}

fn telemetry(mut section: Section<'_>) -> TelemetryConfig {
    let log_format = section.or("log_format", LogFormat::Pretty, log_format);
    let log_filter = section.or("log_filter", "info".to_owned(), log_filter);
    let otlp_endpoint = section.optional("otlp_endpoint", collector_url);
    section.finish();
    TelemetryConfig { log_format, log_filter, otlp_endpoint }
}

fn health(mut section: Section<'_>) -> HealthConfig {
    let listen = section.optional("listen", socket_address);
    section.finish();
    HealthConfig { listen }
}
