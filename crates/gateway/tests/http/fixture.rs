//! A gateway with a virtual host and a database of its own, gone after the test whether it passes or not.

use std::net::{IpAddr, SocketAddr};
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusConfig, ConsumerConfig, RetryPolicy, Topology};
use chrono::TimeDelta;
use futures_util::FutureExt;
use messages::{Delivery, Outcome, Reply, RoleName};
use model::{Clock, CustomerId, ManualClock, Principal, SystemClock};
use reqwest::{Method, RequestBuilder, Response, StatusCode};
use runtime::config::GatewayConfig;
use runtime::health::Health;
use runtime::telemetry::Metrics;
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};
use sqlx::PgPool;
use sqlx::postgres::PgConnectOptions;
use test_support::broker::{Management, Permissions};
use test_support::database;
use test_support::services::Services;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Ample on a busy machine; reached only where something is broken.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

/// The workers' journals, as the gateway sees them.
const COMMANDS: &str = "
    CREATE SCHEMA shared;
    CREATE TABLE shared.commands (
        principal text, message_id uuid, action text, received_at timestamptz, answered_at timestamptz,
        reply text, is_secret boolean, objects_total bigint, objects_deleted bigint
    )";

pub(crate) struct Fixture {
    services: Services,
    pub(crate) management: Management,
    suffix: String,
    name: String,
    base: String,
    http: reqwest::Client,
    pub(crate) pool: PgPool,
    pub(crate) clock: ManualClock,
    config: GatewayConfig,
    shutdown: CancellationToken,
}

/// How far a command has come; the reply is JSON text.
#[derive(Clone, Copy)]
pub(crate) enum Noted<'a> {
    Taken,
    Answered(&'a str),
    AnsweredSecretly,
}

/// What a test may set.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    pub(crate) reply_wait_seconds: u64,
    pub(crate) requests_max: usize,
    pub(crate) requests_per_customer_max: usize,
    pub(crate) trusted_proxies: &'static [IpAddr],
}

impl Settings {
    pub(crate) const DEFAULT: Self =
        Self { reply_wait_seconds: 30, requests_max: 512, requests_per_customer_max: 64, trusted_proxies: &[] };
}

impl Default for Settings {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Runs a test against a gateway of its own; only billing's queues exist.
pub(crate) async fn with_gateway(settings: Settings, test: impl AsyncFnOnce(&Fixture)) {
    let services = Services::load().expect("running services");
    let management = Management::new(&services).expect("the management API");
    let suffix = Uuid::new_v4().simple().to_string()[..12].to_owned();
    let name = format!("gateway-{suffix}");
    management.create_vhost(&name).await.expect("a virtual host");
    database::create(&services, &name).expect("a database");
    let result = AssertUnwindSafe(run(settings, services.clone(), management.clone(), &suffix, &name, test));
    let result = result.catch_unwind().await;
    management.delete_vhost(&name).await.expect("the virtual host goes");
    management.delete_user(&name).await.expect("the user goes");
    database::drop(&services, &name).expect("the database goes");
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

async fn run(
    settings: Settings,
    services: Services,
    management: Management,
    suffix: &str,
    name: &str,
    test: impl AsyncFnOnce(&Fixture),
) {
    let pool = migrated_pool(&services, name).await;
    let admin = &services.rabbitmq_admin_user;
    management.set_permissions(name, admin, Permissions::ALL).await.expect("an administrator");
    let (_, kind) = bus::BROKER_USERS.into_iter().find(|(user, _)| *user == "purser-gateway").expect("the usual user");
    let bus::Permissions { configure, write, read } = kind.permissions();
    management.put_user(name, suffix, "").await.expect("a user");
    management.set_permissions(name, name, Permissions { configure, write, read }).await.expect("its permissions");

    let clock = ManualClock::new(SystemClock.now());
    let shutdown = CancellationToken::new();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("its address");
    let config = GatewayConfig {
        listen: address,
        amqp_url: amqp_url(&services, name, name, suffix),
        amqp_ca_file: None,
        database_url: database::url(&services, name).expect("a URL").into(),
        reply_wait_seconds: settings.reply_wait_seconds,
        body_bytes_max: 4096,
        requests_max: settings.requests_max,
        requests_per_customer_max: settings.requests_per_customer_max,
        trusted_proxies: settings.trusted_proxies.to_vec(),
    };
    let serving = serve(listener, config.clone(), clock.clone(), shutdown.clone());
    let fixture = Fixture {
        base: format!("http://{address}"),
        http: reqwest::Client::builder().no_proxy().build().expect("a client"),
        name: name.to_owned(),
        suffix: suffix.to_owned(),
        services,
        management,
        pool,
        clock,
        config,
        shutdown,
    };
    let admin = fixture.admin().await;
    Topology::of_role(RoleName::Billing).declare(&admin).await.expect("the topology");
    test(&fixture).await;
    fixture.shutdown.cancel();
    ended(serving).await;
    fixture.pool.close().await;
}

fn serve(
    listener: TcpListener,
    config: GatewayConfig,
    clock: ManualClock,
    shutdown: CancellationToken,
) -> JoinHandle<anyhow::Result<()>> {
    let health = Health::new(Metrics::detached().expect("metrics"), shutdown.clone());
    tokio::spawn(gateway::serve_on(listener, config, health, Arc::new(clock), shutdown))
}

async fn ended(serving: JoinHandle<anyhow::Result<()>>) {
    let served = tokio::time::timeout(DEADLINE, serving).await.expect("it ends in time");
    served.expect("it doesn't panic").expect("it doesn't fail");
}

async fn migrated_pool(services: &Services, name: &str) -> PgPool {
    database::psql(services, name, "CREATE SCHEMA auth").expect("a schema");
    let url = database::url(services, name).expect("a URL");
    let options = PgConnectOptions::from_str(&url).expect("a URL").options([("search_path", "auth")]);
    let pool = PgPool::connect_with(options).await.expect("the database");
    gateway::MIGRATOR.run(&pool).await.expect("migrations");
    database::psql(services, name, COMMANDS).expect("the view's stand-in");
    pool
}

fn amqp_url(services: &Services, vhost: &str, user: &str, password: &str) -> SecretString {
    format!("amqp://{user}:{password}@{}:{}/{vhost}", services.amqp_host, services.amqp_port).into()
}

impl Fixture {
    /// A connection that may do everything.
    pub(crate) async fn admin(&self) -> Bus {
        let Services { rabbitmq_admin_user: user, rabbitmq_admin_password: password, .. } = &self.services;
        let url = amqp_url(&self.services, &self.name, user, password);
        Bus::connect(BusConfig::new(url, "gateway-test")).await.expect("the administrator connects")
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.config.listen
    }

    /// The gateway's broker user.
    pub(crate) fn broker_user(&self) -> &str {
        &self.name
    }

    /// Runs one more gateway on the same broker and database until `condition` holds.
    pub(crate) async fn with_another(&self, mut condition: impl AsyncFnMut() -> bool) {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let shutdown = CancellationToken::new();
        let serving = serve(listener, self.config.clone(), self.clock.clone(), shutdown.clone());
        test_support::world::wait_until(DEADLINE, "the other gateway's work", async || condition().await).await;
        shutdown.cancel();
        ended(serving).await;
    }

    /// A role's journal says this of a command from now on.
    pub(crate) async fn note_command(&self, actor: &str, id: Uuid, action: &str, noted: Noted<'_>) {
        let now = self.clock.now();
        let (answered_at, reply) = match noted {
            Noted::Taken => (None, None),
            Noted::Answered(reply) => (Some(now), Some(reply)),
            Noted::AnsweredSecretly => (Some(now), None),
        };
        sqlx::query("DELETE FROM shared.commands WHERE message_id = $1 AND principal = $2")
            .bind(id)
            .bind(actor)
            .execute(&self.pool)
            .await
            .expect("no older row");
        sqlx::query(
            "INSERT INTO shared.commands (principal, message_id, action, received_at, answered_at, reply, is_secret)
             VALUES ($1, $2, $3, $4, $5, $6, $7)",
        )
        .bind(actor)
        .bind(id)
        .bind(action)
        .bind(now)
        .bind(answered_at)
        .bind(reply)
        .bind(answered_at.is_some() && reply.is_none())
        .execute(&self.pool)
        .await
        .expect("a row");
    }

    /// A token that is valid for an hour.
    pub(crate) async fn token(&self, principal: Principal) -> String {
        let ttl = TimeDelta::hours(1);
        let token = gateway::tokens::issue(&self.pool, principal, ttl, Some(&self.suffix), &self.clock).await;
        token.expect("a token").expose_secret().to_owned()
    }

    /// Customer 7's.
    pub(crate) async fn customer_token(&self) -> String {
        self.token(Principal::Customer(CustomerId(7))).await
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Posts a form to `/s3.php`.
    pub(crate) fn post(&self, form: &[(&str, &str)]) -> RequestBuilder {
        self.request(Method::POST, "/s3.php").form(form)
    }

    /// Posts a form to another path.
    pub(crate) fn post_to(&self, path: &str, form: &[(&str, &str)]) -> RequestBuilder {
        self.request(Method::POST, path).form(form)
    }

    /// Answers billing's commands and queries from now on.
    pub(crate) async fn answer<F>(&self, queue: &str, answer: impl Fn(Delivery) -> F + Send + Sync + 'static) -> Worker
    where
        F: Future<Output = Reply> + Send + 'static,
    {
        let bus = self.admin().await;
        let config = ConsumerConfig {
            queue: queue.to_owned(),
            prefetch: 32,
            concurrency: 16,
            retry: RetryPolicy { max_attempts: 1 },
            own_users: Vec::new(),
            trusted: Vec::new(),
        };
        let stop = CancellationToken::new();
        let handler: bus::Handler = Arc::new(move |delivery| {
            let reply = answer(delivery);
            async move { Outcome::Done(Some(reply.await)) }.boxed()
        });
        let stopped = stop.clone();
        let task = tokio::spawn(async move { bus.consume(config, handler, stopped).await.expect("sound") });
        Worker { stop, task }
    }

    /// Answers with what arrived.
    pub(crate) async fn echo(&self, queue: &str) -> Worker {
        self.answer(queue, async |delivery| echo(&delivery)).await
    }
}

/// A consumer beside the test; it ends with it.
pub(crate) struct Worker {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Worker {
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.expect("it stops in time").expect("it doesn't panic");
    }
}

fn echo(delivery: &Delivery) -> Reply {
    let body: Value = serde_json::from_slice(&delivery.body).expect("JSON");
    let echo = json!({
        "type": delivery.message_type,
        "content_type": delivery.content_type,
        "message_id": delivery.message_id,
        "publisher": delivery.publisher,
        "traceparent": delivery.traceparent,
        "body": body,
    });
    Reply::success(delivery.message_type.as_deref().unwrap_or_default(), &json!({ "echo": echo }))
}

/// Sends a request and reads the answer as JSON.
pub(crate) async fn send(request: RequestBuilder) -> (StatusCode, Value) {
    let (response, body) = send_whole(request).await;
    (response.0, body)
}

/// The same with the headers.
pub(crate) async fn send_whole(request: RequestBuilder) -> ((StatusCode, reqwest::header::HeaderMap), Value) {
    let response: Response = request.send().await.expect("an answer");
    assert_eq!(response.headers()["cache-control"], "no-store");
    assert_eq!(response.headers()["content-type"], "application/json");
    let head = (response.status(), response.headers().clone());
    let text = response.text().await.expect("a body");
    (head, serde_json::from_str(&text).unwrap_or_else(|_| panic!("no JSON: {text}")))
}

/// What the gateway itself says below `/storage`.
pub(crate) fn storage_refusal(status: u16, message: &str) -> (StatusCode, Value) {
    let body = json!({"code": status, "message": message, "result": {}});
    (StatusCode::from_u16(status).expect("a status"), body)
}

/// What the gateway itself says.
pub(crate) fn refusal(status: u16, message: &str) -> (StatusCode, Value) {
    (StatusCode::from_u16(status).expect("a status"), json!({"code": -1, "message": message}))
}
