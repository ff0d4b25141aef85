//! `purser.toml`.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::{Deployment, DunningDays, FRONTEND_USER, Lifetime, Settings, WhmcsSettings};
use crate::whmcs::{IDENTIFIER, PAYMENT_METHODS, SECRET};

/// The configuration of all roles and of the operators' commands.
pub(super) fn render(deployment: &Deployment) -> Result<String> {
    let Settings {
        sweep_interval_seconds,
        has_notifications,
        lease_seconds,
        order_deadline_seconds,
        reply_wait_seconds,
        free_accounts_max,
        payment_term_days,
        dunning,
        whmcs,
        log_filter,
        ..
    } = &deployment.config.settings;
    let services = &deployment.services;
    let amqp_url = |role: &str| deployment.amqp_url(&format!("purser-{role}"));
    let database_url = |role: &str| deployment.database_url_of(&format!("purser_{role}"));
    let location = |code: &str, alias: &str, default: bool| {
        let mut location = json!({
            "rgw_url": services.rgw_url, "s3_url": services.rgw_url, "aliases": [alias], "default": default,
            "admin_access_key": services.rgw_access_key, "admin_secret_key": services.rgw_secret_key,
        });
        if *has_notifications {
            location["notification_amqp_url"] = json!(deployment.notification_amqp_url());
            // Deployments share the RGW, which knows a topic by its name.
            location["notification_topic"] = json!(format!("{}-{code}", deployment.name()));
        }
        location
    };
    let mut amqp = json!({ "trusted_publishers": [FRONTEND_USER] });
    if deployment.lifetime != Lifetime::Template {
        amqp["management_url"] = json!(services.rabbitmq_api_url);
        amqp["url"] = json!(deployment.amqp_admin_url());
    }
    if let Some(file) = &services.tls_ca_file {
        amqp["ca_file"] = json!(file);
    }
    let mut config = json!({
        "database": { "url": deployment.database_url()? },
        "amqp": amqp,
        "gateway": {
            "listen": format!("127.0.0.1:{}", deployment.gateway_port()),
            "amqp_url": amqp_url("gateway"), "database_url": database_url("gateway")?,
            "reply_wait_seconds": reply_wait_seconds,
        },
        "provisioner": {
            "amqp_url": amqp_url("provisioner"), "database_url": database_url("provisioner")?,
            "sealing_key_file": deployment.sealing_key_file(), "lease_seconds": lease_seconds,
            "reconcile_interval_seconds": 0,
        },
        "metering": {
            "amqp_url": amqp_url("metering"), "database_url": database_url("metering")?,
            "sweep_interval_seconds": sweep_interval_seconds, "traffic_interval_seconds": 1,
            "usage_flush_seconds": 2, "change_delay_milliseconds": 200,
        },
        "billing": {
            "amqp_url": amqp_url("billing"), "database_url": database_url("billing")?,
            "order_deadline_seconds": order_deadline_seconds, "free_accounts_max": free_accounts_max,
            "payment_term_days": payment_term_days, "dunning": dunning_days(*dunning),
            "tax_percent": { "DE": "19.0", "NL": "21.0" },
        },
        "locations": { "NL": location("NL", "eu-west-1", true), "US": location("US", "us-east-1", false) },
        "telemetry": { "log_filter": log_filter },
    });
    if let Some(whmcs) = whmcs {
        config["whmcs"] = whmcs_section(whmcs);
    }
    toml::to_string(&config).context("writing the configuration")
}

/// `[billing.dunning]`; TOML has no null.
fn dunning_days(days: DunningDays) -> BTreeMap<&'static str, u32> {
    let DunningDays { reminder, lock, suspension, termination } = days;
    let steps = [
        ("reminder_after_days", reminder),
        ("lock_after_days", lock),
        ("suspension_after_days", suspension),
        ("termination_after_days", termination),
    ];
    steps.into_iter().filter_map(|(name, days)| Some((name, days?))).collect()
}

fn whmcs_section(whmcs: &WhmcsSettings) -> Value {
    let products = whmcs.products.iter().map(|(plan, product)| (plan.to_string(), *product));
    json!({
        "url": whmcs.url, "identifier": IDENTIFIER, "secret": SECRET, "payment_method": PAYMENT_METHODS[0],
        "order_field": whmcs.order_field, "timeout_seconds": whmcs.timeout_seconds,
        "products": products.collect::<BTreeMap<_, _>>(),
    })
}

/// 32 bytes in Base64, as `openssl rand -base64 32` prints them.
pub(super) fn random_sealing_key() -> String {
    format!("{}\n", STANDARD.encode(rand::random::<[u8; 32]>()))
}
