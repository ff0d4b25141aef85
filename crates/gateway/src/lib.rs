//! HTTP to AMQP: resolves tokens, asks the role that answers an action, and shows its reply, at once or when asked for it
//! by a callback key. It decides nothing else.

mod admission;
pub mod api_keys;
mod ask;
mod callbacks;
mod credentials;
mod domain;
mod forget;
#[cfg(test)]
mod fuzzing;
mod guess_limit;
mod handle;
mod incoming;
mod observe;
mod serving;
mod store;
pub mod tokens;

use std::borrow::Cow;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use axum::routing::{any, get};
use bus::{Bus, BusConfig, RpcClient};
use history::{pool_options, show_pool};
use messages::RoleName;
use model::{Clock, Principal};
use runtime::config::GatewayConfig;
use runtime::health::Health;
use secrecy::ExposeSecret;
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgConnectOptions;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tracing::info;

use crate::admission::{Admission, Capacity, CapacityPlace};
use crate::domain::fault::Fault;
use crate::guess_limit::GuessLimit;

/// The schema `auth`'s tables; run by the database's owner with that schema as `search_path`.
pub static MIGRATOR: Migrator =
    Migrator { table_name: Cow::Borrowed("_auth_migrations"), ..sqlx::migrate!("./migrations") };

/// The health check that says whether the gateway listens.
pub const STARTED: &str = "gateway.started";
/// So many clients may be connected, however few requests are worked on at once.
const CLIENTS_MIN: usize = 256;
/// To the database.
const CONNECTIONS_MAX: u32 = 16;
/// Several times what making a connection takes on a busy machine: whoever comes to its turn with too little of it left
/// makes none.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(10);
/// Wrong API keys from one address within five minutes.
const LOGIN_FAILURES_MAX: u32 = 10;
/// The same for tokens and callback keys: more, because programs come back with one that is forgotten.
const TOKEN_FAILURES_MAX: u32 = 300;

/// What handlers share.
#[derive(Clone)]
struct Gateway {
    config: GatewayConfig,
    pool: PgPool,
    bus: Bus,
    rpc: RpcClient,
    capacity: Capacity,
    /// By the token's hash: before it is known whose it is.
    by_token: Admission<[u8; 32]>,
    by_principal: Admission<Principal>,
    login_limit: GuessLimit,
    token_limit: GuessLimit,
    callback_limit: GuessLimit,
    clock: Arc<dyn Clock>,
}

impl Gateway {
    /// A place for a request that was read to its end. Too many at once are better refused than kept waiting.
    fn place(&self, role: RoleName, is_only: bool) -> Result<CapacityPlace, Fault> {
        self.capacity.admit(role, is_only).ok_or_else(|| {
            observe::shed(observe::FULL);
            Fault::Unavailable("too many requests are being worked on")
        })
    }

    /// Whether the broker takes messages at all.
    fn check_broker(&self) -> Result<(), Fault> {
        if !self.bus.is_connected() {
            return Err(Fault::Unavailable("the message broker is away at the moment"));
        }
        if self.bus.is_blocked() {
            observe::shed(observe::BROKER_BLOCKED);
            return Err(Fault::Unavailable("the message broker takes no messages at the moment"));
        }
        Ok(())
    }
}

/// Connects, binds `config.listen` and serves until `soft` is cancelled; then finishes the requests in hand.
///
/// The listener also serves `health`'s routes, with this role's checks among them.
pub async fn serve(
    config: GatewayConfig,
    health: Health,
    clock: Arc<dyn Clock>,
    soft: CancellationToken,
) -> anyhow::Result<()> {
    let listen = config.listen;
    let Some(gateway) = connect(config, clock, &soft).await? else { return Ok(()) };
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("gateway.listen: {listen} can't be bound"))?;
    run(listener, gateway, health, soft).await
}

/// The same on a listener that is bound already; `config.listen` plays no part.
pub async fn serve_on(
    listener: TcpListener,
    config: GatewayConfig,
    health: Health,
    clock: Arc<dyn Clock>,
    soft: CancellationToken,
) -> anyhow::Result<()> {
    match connect(config, clock, &soft).await? {
        Some(gateway) => run(listener, gateway, health, soft).await,
        None => Ok(()),
    }
}

/// `None` where the end was asked for meanwhile.
async fn connect(
    config: GatewayConfig,
    clock: Arc<dyn Clock>,
    soft: &CancellationToken,
) -> anyhow::Result<Option<Gateway>> {
    let options = PgConnectOptions::from_str(config.database_url.expose_secret())
        .context("gateway.database_url can't be read")?
        .application_name("purser-gateway");
    // Lazy: a database that is away makes the gateway answer 503, not disappear.
    let pool = pool_options(CONNECTIONS_MAX, ACQUIRE_TIMEOUT).connect_lazy_with(options);
    let mut bus_config = BusConfig::new(config.amqp_url.clone(), "purser-gateway");
    bus_config.ca_file.clone_from(&config.amqp_ca_file);
    bus_config.clock = clock.clone();
    let bus = tokio::select! {
        connected = Bus::connect(bus_config) => connected.context("gateway.amqp_url")?,
        () = soft.cancelled() => return Ok(None),
    };
    let capacity = Capacity::new(config.requests_max);
    let (by_token, by_principal) =
        (Admission::new(config.requests_per_customer_max), Admission::new(config.requests_per_customer_max));
    Ok(Some(Gateway {
        config,
        pool,
        rpc: RpcClient::new(bus.clone()),
        bus,
        capacity,
        by_token,
        by_principal,
        login_limit: GuessLimit::new(LOGIN_FAILURES_MAX),
        token_limit: GuessLimit::new(TOKEN_FAILURES_MAX),
        callback_limit: GuessLimit::new(TOKEN_FAILURES_MAX),
        clock,
    }))
}

async fn run(listener: TcpListener, gateway: Gateway, health: Health, soft: CancellationToken) -> anyhow::Result<()> {
    observe::describe();
    register_checks(&gateway, &health);
    let (bus, pool) = (gateway.bus.clone(), gateway.pool.clone());
    let showing = tokio::spawn(show_pool(pool.clone(), RoleName::Gateway, soft.clone()));
    let forgetting = tokio::spawn(forget::run(gateway.clone(), soft.clone()));
    let connections_max = gateway.config.requests_max.saturating_mul(4).max(CLIENTS_MIN);
    let router = router(gateway).merge(health.router());
    info!(listen = %listener.local_addr()?, "serving HTTP");
    health.register(STARTED, || async { Ok(()) });
    serving::serve(listener, router, connections_max, soft).await;
    forgetting.await.context("forgetting what has expired")?;
    showing.await.context("showing the database's connections")?;
    bus.close().await;
    pool.close().await;
    Ok(())
}

fn router(gateway: Gateway) -> Router {
    Router::new()
        .route("/s3.php", get(handle::s3_php::handle).post(handle::s3_php::handle))
        .route("/auth.php", get(handle::auth::handle).post(handle::auth::handle))
        .route("/eq_callback.php", get(handle::eq_callback::handle).post(handle::eq_callback::handle))
        .route("/storage/{*path}", any(handle::storage::handle))
        .route("/docs", get(handle::docs::index))
        .route("/docs/", get(handle::docs::index))
        .route("/docs/{*path}", get(handle::docs::file))
        .method_not_allowed_fallback(handle::method_not_allowed)
        .fallback(handle::not_found)
        .layer(axum::middleware::from_fn(observe::observe))
        .with_state(gateway)
}

fn register_checks(gateway: &Gateway, health: &Health) {
    let pool = gateway.pool.clone();
    health.register("gateway.database", move || {
        let pool = pool.clone();
        async move { store::ping(&pool).await.map_err(|_| "the database does not answer".to_owned()) }
    });
    let bus = gateway.bus.clone();
    health.register("gateway.broker", move || {
        let connected = bus.is_connected();
        async move { if connected { Ok(()) } else { Err("not connected".to_owned()) } }
    });
}
