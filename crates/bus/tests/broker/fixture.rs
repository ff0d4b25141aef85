//! A virtual host with users of its own, gone after the test whether it passes or not.

use std::future::Future;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;
use std::time::Duration;

use bus::{Bus, BusConfig, BusError, ConsumerConfig, Handler, Message, Permissions, RetryPolicy, Topology};
use futures_util::FutureExt;
use lapin::message::BasicGetMessage;
use lapin::options::BasicGetOptions;
use lapin::types::AMQPValue;
use messages::{Delivery, Outcome};
use test_support::broker::{Management, Permissions as Granted};
use test_support::services::Services;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

/// Ample on a busy machine; reached only where something is broken.
pub(crate) const DEADLINE: Duration = Duration::from_mins(1);

pub(crate) struct Broker {
    services: Services,
    pub(crate) management: Management,
    pub(crate) vhost: String,
    suffix: String,
}

/// Runs a test with a broker of its own.
pub(crate) async fn with_broker<F: Future<Output = ()>>(test: impl FnOnce(Arc<Broker>) -> F) {
    let services = Services::load().expect("running services");
    let management = Management::new(&services).expect("the management API");
    let suffix = Uuid::new_v4().simple().to_string()[..12].to_owned();
    let broker = Arc::new(Broker { vhost: format!("bus-{suffix}"), services, management, suffix });
    broker.management.create_vhost(&broker.vhost).await.expect("a virtual host");
    let admin = &broker.services.rabbitmq_admin_user;
    broker.management.set_permissions(&broker.vhost, admin, Granted::ALL).await.expect("an administrator");
    let result = AssertUnwindSafe(test(Arc::clone(&broker))).catch_unwind().await;
    broker.management.delete_vhost(&broker.vhost).await.expect("the virtual host goes");
    for (name, _) in bus::BROKER_USERS {
        broker.management.delete_user(&broker.user_name(name)).await.expect("the user goes");
    }
    if let Err(panic) = result {
        resume_unwind(panic);
    }
}

impl Broker {
    pub(crate) fn admin_url(&self) -> String {
        self.url(&self.services.rabbitmq_admin_user, &self.services.rabbitmq_admin_password)
    }

    pub(crate) fn url(&self, user: &str, password: &str) -> String {
        let Services { amqp_host, amqp_port, .. } = &self.services;
        format!("amqp://{user}:{password}@{amqp_host}:{amqp_port}/{}", self.vhost)
    }

    pub(crate) async fn admin(&self) -> Bus {
        connect(&self.admin_url()).await.expect("the administrator connects")
    }

    /// The name of a user of this test: users are shared by all virtual hosts.
    pub(crate) fn user_name(&self, name: &str) -> String {
        format!("{name}-{}", self.suffix)
    }

    /// Makes a user and returns its URL.
    pub(crate) async fn add_user(&self, name: &str, permissions: Permissions) -> String {
        let user = self.user_name(name);
        let Permissions { configure, write, read } = permissions;
        self.management.put_user(&user, &self.suffix, "").await.expect("a user");
        let granted = Granted { configure, write, read };
        self.management.set_permissions(&self.vhost, &user, granted).await.expect("its permissions");
        self.url(&user, &self.suffix)
    }

    /// One of the usual users, with its usual permissions.
    pub(crate) async fn add_usual_user(&self, name: &str) -> String {
        let (_, kind) = bus::BROKER_USERS.into_iter().find(|(usual, _)| *usual == name).expect("a usual name");
        self.add_user(name, kind.permissions()).await
    }

    pub(crate) async fn raw_channel(&self, url: &str) -> (lapin::Connection, lapin::Channel) {
        let properties = lapin::ConnectionProperties::default();
        let connection = lapin::Connection::connect(url, properties).await.expect("a connection");
        let channel = connection.create_channel().await.expect("a channel");
        (connection, channel)
    }

    /// Takes one message off a queue; waits for it.
    pub(crate) async fn take(&self, queue: &str) -> BasicGetMessage {
        let (_connection, channel) = self.raw_channel(&self.admin_url()).await;
        let options = BasicGetOptions { no_ack: true };
        eventually(&format!("a message in {queue}"), async || {
            channel.basic_get(queue.into(), options).await.expect("the queue exists")
        })
        .await
    }

    /// The number of ready messages at this moment.
    pub(crate) async fn ready(&self, queue: &str) -> u32 {
        let (_connection, channel) = self.raw_channel(&self.admin_url()).await;
        let options = lapin::options::QueueDeclareOptions { passive: true, ..Default::default() };
        let queue = channel.queue_declare(queue.into(), options, lapin::types::FieldTable::default()).await;
        queue.expect("the queue exists").message_count()
    }
}

pub(crate) async fn connect(url: &str) -> Result<Bus, BusError> {
    Bus::connect(BusConfig::new(url.to_owned().into(), "bus-test")).await
}

/// Asks again until there is an answer.
pub(crate) async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Option<T>) -> T {
    let end = tokio::time::Instant::now() + DEADLINE;
    loop {
        if let Some(answer) = ask().await {
            return answer;
        }
        assert!(tokio::time::Instant::now() < end, "waited in vain for {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// The exchanges and the queues of billing, and a connection that may do everything.
pub(crate) async fn billing(broker: &Broker) -> Bus {
    let bus = broker.admin().await;
    Topology::of_role(messages::RoleName::Billing).declare(&bus).await.expect("the topology");
    bus
}

pub(crate) fn handler<F>(handle: impl Fn(Delivery) -> F + Send + Sync + 'static) -> Handler
where
    F: Future<Output = Outcome> + Send + 'static,
{
    Arc::new(move |delivery| handle(delivery).boxed())
}

/// A consumer that runs beside the test.
pub(crate) struct Consuming {
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Consuming {
    pub(crate) fn start(bus: &Bus, queue: &str, max_attempts: u32, handler: Handler) -> Self {
        let config = ConsumerConfig {
            queue: queue.to_owned(),
            prefetch: 32,
            concurrency: 16,
            retry: RetryPolicy { max_attempts },
            own_users: vec![bus.user().to_owned()],
            trusted: vec![bus.user().to_owned()],
        };
        let (bus, shutdown) = (bus.clone(), CancellationToken::new());
        let stop = shutdown.clone();
        let task = tokio::spawn(async move {
            bus.consume(config, handler, stop).await.expect("a sound configuration");
        });
        Self { shutdown, task }
    }

    pub(crate) fn cancel(&self) {
        self.shutdown.cancel();
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    pub(crate) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(DEADLINE, self.task).await.expect("it stops in time").expect("it doesn't panic");
    }
}

/// A command for billing.
pub(crate) fn command(body: &[u8]) -> Message {
    Message {
        message_type: Some("create_order".to_owned()),
        content_type: Some("application/msgpack".to_owned()),
        message_id: Some(Uuid::new_v4().to_string()),
        ..Message::new("s3.commands", "create_order", body.to_vec())
    }
}

/// A header as text, whatever its type.
pub(crate) fn header(message: &BasicGetMessage, name: &str) -> Option<String> {
    match message.properties.headers().as_ref()?.inner().get(name)? {
        AMQPValue::LongString(text) => Some(text.to_string()),
        AMQPValue::LongLongInt(number) => Some(number.to_string()),
        other => Some(format!("{other:?}")),
    }
}

/// What [`Broker::rewriting_url`] replaces.
pub(crate) const REWRITTEN: &str = "REWRITTEN";

impl Broker {
    /// The administrator's URL through a proxy that makes [`REWRITTEN`] into bytes which are not UTF-8: lapin itself
    /// can't send such a thing, other clients can.
    pub(crate) async fn rewriting_url(&self) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        let target = (self.services.amqp_host.clone(), self.services.amqp_port);
        tokio::spawn(async move {
            let (client, _) = listener.accept().await.expect("a client");
            let server = tokio::net::TcpStream::connect(target).await.expect("the broker");
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            let mut buffer = vec![0; 65_536];
            while let Ok(length @ 1..) = from_client.read(&mut buffer).await {
                let chunk = &mut buffer[..length];
                if let Some(at) = chunk.windows(REWRITTEN.len()).position(|window| window == REWRITTEN.as_bytes()) {
                    chunk[at..at + REWRITTEN.len()].fill(0xFF);
                }
                to_server.write_all(chunk).await.expect("the broker reads");
            }
        });
        let Services { amqp_host, amqp_port, .. } = &self.services;
        self.admin_url().replace(&format!("{amqp_host}:{amqp_port}"), &format!("127.0.0.1:{port}"))
    }
}
