//! Wiring of the three workers: configuration to connection, journal, stores; then the role starts.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use billing::handover::{WhmcsInvoicing, WhmcsSettings};
use bus::{Bus, BusConfig, Topology};
use chrono::TimeDelta;
use history::{Journal, pool_options};
use messages::RoleName;
use model::{Clock, Location};
use object_store::ceph::{CephConfig, CephStore};
use object_store::{LocationStore, Locations, Topic};
use provisioner::SealingKeys;
use runtime::config::{AmqpConfig, BillingConfig, Config, NotificationConfig, ProvisionerConfig};
use runtime::health::Health;
use runtime::{Role, Shutdown, TrustedPublishers};
use secrecy::{ExposeSecret, SecretString};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use url::Url;

/// Per process and role; the relay takes one for itself.
const CONNECTIONS_MAX: u32 = 16;
/// More for each location: its sweep and the reading of its log hold one while they run.
const CONNECTIONS_PER_LOCATION: u32 = 2;
/// Far more than making a connection takes on a busy machine: whoever comes to its turn with too little of it left makes
/// none, and then nobody has any.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// What takes longer serves nobody any more, and is tried again. A process that is frozen, or gone without a word, must
/// not keep its locks: others wait for them.
const LIMITS: [(&str, &str); 7] = [
    ("statement_timeout", "60s"),
    ("lock_timeout", "30s"),
    ("idle_in_transaction_session_timeout", "5min"),
    ("tcp_keepalives_idle", "30"),
    ("tcp_keepalives_interval", "10"),
    ("tcp_keepalives_count", "3"),
    ("tcp_user_timeout", "60s"),
];
/// After it a call to RGW is given up and the attempt fails. With a shorter lease another attempt may do the same work
/// meanwhile, which is harmless.
const STORE_REQUEST_TIMEOUT: Duration = Duration::from_secs(10);
/// Where RGW publishes what changed; metering reads it.
const NOTIFICATION_EXCHANGE: &str = "s3.rgw";
/// The lease of roles that do nothing outside the database.
const LEASE_DEFAULT: TimeDelta = TimeDelta::seconds(30);

/// Connects one worker role and starts it; it ends with `shutdown`.
pub(super) async fn start(
    role: RoleName,
    config: &Config,
    health: &Health,
    shutdown: &Shutdown,
    clock: Arc<dyn Clock>,
) -> anyhow::Result<()> {
    let connect = |amqp_url: SecretString, database_url: SecretString, lease: TimeDelta, prefetch: u16| {
        connect(role, config, health, Arc::clone(&clock), amqp_url, database_url, lease, prefetch)
    };
    match role {
        RoleName::Provisioner => {
            let own = config.provisioner.clone().context("[provisioner] is required")?;
            let lease = TimeDelta::seconds(i64::try_from(own.lease_seconds)?);
            let settings = provisioner_settings(config, &own)?;
            observe(&settings.locations, health);
            let seconds = own.reconcile_interval_seconds;
            let reconcile_interval = (seconds > 0).then(|| Duration::from_secs(seconds));
            let role = connect(own.amqp_url, own.database_url, lease, own.prefetch).await?;
            provisioner::start(role, settings, reconcile_interval, shutdown);
        }
        RoleName::Metering => {
            let own = config.metering.clone().context("[metering] is required")?;
            let stores = stores(config)?;
            let settings = metering::Settings {
                sweep_interval: Duration::from_secs(own.sweep_interval_seconds),
                traffic_interval: Duration::from_secs(own.traffic_interval_seconds),
                usage_flush: TimeDelta::seconds(i64::try_from(own.usage_flush_seconds)?),
                usage_trim_after_days: own.usage_trim_after_days,
                change_delay: Duration::from_millis(own.change_delay_milliseconds),
            };
            observe(&stores, health);
            let role = connect(own.amqp_url, own.database_url, LEASE_DEFAULT, own.prefetch).await?;
            metering::start(role, stores, settings, shutdown);
        }
        RoleName::Billing => {
            let own = config.billing.clone().context("[billing] is required")?;
            let settings = billing_settings(config, &own)?;
            let role = connect(own.amqp_url, own.database_url, LEASE_DEFAULT, own.prefetch).await?;
            billing::start(role, settings, whmcs(config)?, shutdown);
        }
        RoleName::Gateway => anyhow::bail!("the gateway is no worker"),
    }
    Ok(())
}

#[expect(clippy::too_many_arguments, reason = "called once, through a closure that fills in what is common")]
async fn connect(
    role: RoleName,
    config: &Config,
    health: &Health,
    clock: Arc<dyn Clock>,
    amqp_url: SecretString,
    database_url: SecretString,
    lease: TimeDelta,
    prefetch: u16,
) -> anyhow::Result<Role> {
    let pool = pool(role, &database_url, config)?;
    let bus_config =
        BusConfig { clock: Arc::clone(&clock), ..super::bus_config(config, &amqp_url, format!("purser-{role}")) };
    let bus = Bus::connect(bus_config).await.with_context(|| format!("{role}.amqp_url"))?;
    Topology::of_role(role).check(&bus).await.context("the broker lacks what this role needs; run `purser migrate`")?;
    register_checks(role, health, &pool, &bus);
    let journal = Journal::new(pool, role, clock, lease);
    Ok(Role::new(role, bus, journal, trusted(&config.amqp), prefetch))
}

/// Connections with a role's own rights, made when they are needed.
pub(super) fn pool(role: RoleName, database_url: &SecretString, config: &Config) -> anyhow::Result<PgPool> {
    let options = PgConnectOptions::from_str(database_url.expose_secret())
        .with_context(|| format!("{role}.database_url can't be read"))?
        .application_name(&format!("purser-{role}"))
        .options([("search_path", role.as_str())])
        .options(LIMITS);
    let locations = u32::try_from(config.locations.iter().count()).unwrap_or(0);
    let pool = pool_options(CONNECTIONS_MAX + CONNECTIONS_PER_LOCATION * locations, ACQUIRE_TIMEOUT);
    Ok(pool.connect_lazy_with(options))
}

/// What billing works with.
pub(super) fn billing_settings(config: &Config, own: &BillingConfig) -> anyhow::Result<billing::Settings> {
    let endpoints = config.locations.iter();
    let days = own.dunning;
    Ok(billing::Settings {
        order_deadline: TimeDelta::seconds(i64::try_from(own.order_deadline_seconds)?),
        free_accounts_max: own.free_accounts_max,
        locations: location_book(config)?,
        endpoints: endpoints.map(|(code, location)| (code.to_string(), endpoint(&location.s3_url))).collect(),
        tax_rates: own.tax_percent.clone().into_iter().collect(),
        invoicing: match &config.whmcs {
            None => billing::InvoicingSystem::Native,
            Some(whmcs) => billing::InvoicingSystem::Whmcs(whmcs.products.keys().copied().collect()),
        },
        payment_term_days: own.payment_term_days,
        usage_patience: TimeDelta::hours(i64::from(own.usage_patience_hours)),
        dunning: billing::DunningDays {
            reminder: days.reminder_after_days,
            lock: days.lock_after_days,
            suspension: days.suspension_after_days,
            termination: days.termination_after_days,
        },
    })
}

/// WHMCS, where that issues the invoices.
fn whmcs(config: &Config) -> anyhow::Result<Option<WhmcsInvoicing>> {
    let Some(own) = &config.whmcs else { return Ok(None) };
    let client = whmcs::Client::new(whmcs::Settings {
        url: own.url.clone(),
        identifier: own.identifier.clone(),
        secret: own.secret.clone(),
        access_key: own.access_key.clone(),
        timeout: Duration::from_secs(own.timeout_seconds),
    })
    .context("whmcs")?;
    let settings = WhmcsSettings {
        products: own.products.clone(),
        order_field: own.order_field,
        payment_method: own.payment_method.clone(),
    };
    Ok(Some(WhmcsInvoicing::new(client, settings)))
}

/// What the provisioner works with, its sealing keys included.
pub(super) fn provisioner_settings(config: &Config, own: &ProvisionerConfig) -> anyhow::Result<provisioner::Settings> {
    Ok(provisioner::Settings { locations: stores(config)?, topics: topics(config)?, sealing_keys: sealing_keys(own)? })
}

/// The keys that seal S3 secrets.
pub(super) fn sealing_keys(own: &ProvisionerConfig) -> anyhow::Result<SealingKeys> {
    let file = || format!("provisioner.sealing_key_file {}", own.sealing_key_file.display());
    let text = std::fs::read_to_string(&own.sealing_key_file).with_context(file)?;
    SealingKeys::from_text(&text).with_context(file)
}

fn trusted(amqp: &AmqpConfig) -> TrustedPublishers {
    let gateway = amqp.own_users.of(RoleName::Gateway).to_owned();
    TrustedPublishers {
        frontends: amqp.trusted_publishers.iter().cloned().chain([gateway]).collect(),
        roles: bus::WORKER_ROLES.iter().map(|role| amqp.own_users.of(*role).to_owned()).collect(),
    }
}

fn register_checks(role: RoleName, health: &Health, pool: &PgPool, bus: &Bus) {
    let pool = pool.clone();
    health.register(format!("{role}.database"), move || {
        let pool = pool.clone();
        async move {
            let answer = sqlx::query("SELECT 1").execute(&pool).await;
            answer.map(|_| ()).map_err(|_| "the database does not answer".to_owned())
        }
    });
    let bus = bus.clone();
    health.register(format!("{role}.broker"), move || {
        let connected = bus.is_connected();
        async move { if connected { Ok(()) } else { Err("not connected".to_owned()) } }
    });
}

/// Shows which locations answer. One that doesn't is no reason to take the process out of service.
fn observe(stores: &Locations, health: &Health) {
    for (code, location) in stores.iter() {
        let store = Arc::clone(&location.store);
        health.observe(format!("location.{code}"), move || {
            let store = Arc::clone(&store);
            async move { store.health().await.map_err(|error| error.to_string()) }
        });
    }
}

/// One store per configured location.
pub(super) fn stores(config: &Config) -> anyhow::Result<Locations> {
    config
        .locations
        .iter()
        .map(|(code, location)| {
            let rgw = location.rgw.clone().with_context(|| format!("locations.{code}.rgw_url is required"))?;
            let store = CephStore::new(CephConfig {
                admin_url: rgw.url.clone(),
                s3_url: rgw.url,
                admin_access_key: rgw.admin_access_key,
                admin_secret_key: rgw.admin_secret_key,
                request_timeout: STORE_REQUEST_TIMEOUT,
            })
            .with_context(|| format!("locations.{code}"))?;
            Ok((code.clone(), LocationStore { store: Arc::new(store), endpoint: endpoint(&location.s3_url) }))
        })
        .collect()
}

/// Every location, with the topic to which its RGW sends buckets' changes, where it does.
pub(super) fn topics(config: &Config) -> anyhow::Result<BTreeMap<Location, Option<Topic>>> {
    let topic = |code: &Location, own: &NotificationConfig| {
        Ok::<_, anyhow::Error>(Topic {
            name: own.topic.clone(),
            push_endpoint: own.amqp_url.clone(),
            exchange: NOTIFICATION_EXCHANGE.to_owned(),
            ack_level: own.ack_level.parse().with_context(|| format!("locations.{code}.notification_ack_level"))?,
            persistent: own.is_persistent,
        })
    };
    config
        .locations
        .iter()
        .map(|(code, location)| {
            let topic = location.notifications.as_ref().map(|own| topic(code, own)).transpose()?;
            Ok((code.clone(), topic))
        })
        .collect()
}

/// Host, and port where it isn't the scheme's own, as the seeds show an endpoint.
fn endpoint(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn location_book(config: &Config) -> anyhow::Result<billing::LocationBook> {
    let default = config.locations.default_code().context("one location must have default = true")?;
    let all = config.locations.iter().map(|(code, location)| (code.clone(), location.aliases.clone()));
    Ok(billing::LocationBook::new(default.clone(), all))
}
