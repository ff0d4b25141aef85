//! A client of RabbitMQ's management API, as far as tests and the developer commands need it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use reqwest::{Client, Method, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use url::Url;

use crate::deployment::{blocking, percent_encoded};
use crate::services::Services;

const NODE_LIMIT: Duration = Duration::from_secs(30);
const NODE_INTERVAL: Duration = Duration::from_millis(200);

/// The management API, as the administrator. `/` is the name of the default virtual host.
#[derive(Clone)]
pub struct Management {
    api: Url,
    user: String,
    password: String,
    http: Client,
}

/// An empty virtual host for one purpose; it goes with all that is in it when this is dropped.
pub struct VirtualHost {
    name: String,
    services: Services,
}

impl VirtualHost {
    /// Makes it; the administrator may do everything there.
    pub async fn create(services: &Services, name: &str) -> Result<Self> {
        let management = Management::new(services)?;
        management.create_vhost(name).await?;
        let made = Self { name: name.to_owned(), services: services.clone() };
        management.set_permissions(name, &services.rabbitmq_admin_user, Permissions::ALL).await?;
        Ok(made)
    }

    /// The broker's URL for its administrator, without TLS.
    pub fn plain_admin_url(&self) -> String {
        let Services { amqp_host, amqp_port, rabbitmq_admin_user, rabbitmq_admin_password, .. } = &self.services;
        let (user, password) = (percent_encoded(rabbitmq_admin_user), percent_encoded(rabbitmq_admin_password));
        format!("amqp://{user}:{password}@{amqp_host}:{amqp_port}/{}", percent_encoded(&self.name))
    }
}

impl Drop for VirtualHost {
    fn drop(&mut self) {
        let (services, name) = (self.services.clone(), self.name.clone());
        if let Err(error) = blocking(async move { Management::new(&services)?.delete_vhost(&name).await }) {
            eprintln!("the virtual host {} is left: {error:#}", self.name);
        }
    }
}

/// What a user may do in a virtual host: three regular expressions over names of queues and exchanges.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Permissions<'a> {
    /// What it may declare and delete.
    pub configure: &'a str,
    /// What it may publish to, and bind.
    pub write: &'a str,
    /// What it may consume from, and bind to.
    pub read: &'a str,
}

impl Permissions<'_> {
    /// Everything.
    pub const ALL: Self = Self { configure: ".*", write: ".*", read: ".*" };
}

/// A queue; the counts lag behind by a second or two and are `None` until the broker has counted for the first time.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Queue {
    /// Its name.
    pub name: String,
    /// `classic`, `quorum` or `stream`.
    #[serde(rename = "type")]
    pub kind: String,
    /// Ready and unacknowledged messages together.
    pub messages: Option<u64>,
    /// Those that no consumer holds.
    #[serde(rename = "messages_ready")]
    pub ready: Option<u64>,
    /// Consumers on all channels.
    pub consumers: Option<u64>,
}

/// The broker itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// RabbitMQ's version.
    pub version: String,
    /// Its process, on its machine.
    pub process_id: u32,
}

/// A client's connection.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Connection {
    /// Names the connection in [`Management::close_connection`]: `127.0.0.1:40000 -> 127.0.0.1:5672`.
    pub name: String,
    /// The user that logged in.
    pub user: String,
    /// The virtual host.
    pub vhost: String,
    /// What the client says about itself, such as `connection_name`.
    #[serde(default)]
    pub client_properties: Value,
}

impl Management {
    /// A client for these services.
    pub fn new(services: &Services) -> Result<Self> {
        // reqwest wants a TLS provider even for plain HTTP; an error says that there is one already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        Ok(Self {
            api: Url::parse(&services.rabbitmq_api_url).context("the management API's address is not a URL")?,
            user: services.rabbitmq_admin_user.clone(),
            password: services.rabbitmq_admin_password.clone(),
            http: Client::builder().no_proxy().build()?,
        })
    }

    /// Makes a virtual host, unless it exists.
    pub async fn create_vhost(&self, vhost: &str) -> Result<()> {
        self.put(&["vhosts", vhost], &json!({})).await
    }

    /// Deletes a virtual host with all that is in it; its connections are closed. Nothing where it doesn't exist.
    pub async fn delete_vhost(&self, vhost: &str) -> Result<()> {
        self.delete(&["vhosts", vhost]).await
    }

    /// Makes a user or changes its password and tags (`administrator`, `management`, …; comma-separated, may be empty).
    pub async fn put_user(&self, user: &str, password: &str, tags: &str) -> Result<()> {
        self.put(&["users", user], &json!({ "password": password, "tags": tags })).await
    }

    /// The names of all users.
    pub async fn users(&self) -> Result<Vec<String>> {
        let users: Vec<Value> = self.get(&["users"]).await?;
        Ok(users.iter().filter_map(|user| user["name"].as_str().map(str::to_owned)).collect())
    }

    /// Deletes a user. Nothing where it doesn't exist.
    pub async fn delete_user(&self, user: &str) -> Result<()> {
        self.delete(&["users", user]).await
    }

    /// Sets what a user may do in a virtual host.
    pub async fn set_permissions(&self, vhost: &str, user: &str, permissions: Permissions<'_>) -> Result<()> {
        self.put(&["permissions", vhost, user], &json!(permissions)).await
    }

    /// Sets which routing keys a user may publish to (`write`) and bind (`read`) at a topic exchange.
    pub async fn set_topic_permissions(
        &self,
        vhost: &str,
        user: &str,
        exchange: &str,
        write: &str,
        read: &str,
    ) -> Result<()> {
        let body = json!({ "exchange": exchange, "write": write, "read": read });
        self.put(&["topic-permissions", vhost, user], &body).await
    }

    /// Imports exchanges, queues, bindings, policies and parameters into one virtual host.
    ///
    /// In such a file nothing names a virtual host, and there are no users and permissions.
    pub async fn import_definitions(&self, vhost: &str, definitions: &Value) -> Result<()> {
        self.send(Method::POST, &["definitions", vhost], Some(definitions)).await.map(drop)
    }

    /// Puts a policy: `{"pattern": …, "definition": {…}, "priority": …, "apply-to": …}`.
    pub async fn put_policy(&self, vhost: &str, name: &str, policy: &Value) -> Result<()> {
        self.put(&["policies", vhost, name], policy).await
    }

    /// The first messages of a queue, as the page's "Get messages" shows them. `ack_mode` says what becomes of them:
    /// `ack_requeue_true` and `reject_requeue_true` put them back, `ack_requeue_false` takes them away.
    pub async fn get_messages(&self, vhost: &str, queue: &str, count: u32, ack_mode: &str) -> Result<Vec<Value>> {
        let body = json!({ "count": count, "ackmode": ack_mode, "encoding": "auto" });
        let answer = self.send(Method::POST, &["queues", vhost, queue, "get"], Some(&body)).await?;
        serde_json::from_str(&answer).with_context(|| format!("reading the messages of {queue}"))
    }

    /// Publishes a message as the page's "Publish message" does: `{"routing_key": …, "properties": {…}, "payload": …,
    /// "payload_encoding": "string"}`.
    pub async fn publish(&self, vhost: &str, exchange: &str, message: &Value) -> Result<()> {
        self.send(Method::POST, &["exchanges", vhost, exchange, "publish"], Some(message)).await.map(drop)
    }

    /// Starts a shovel; the broker needs the plugins `rabbitmq_shovel` and `rabbitmq_shovel_management`.
    pub async fn put_shovel(&self, vhost: &str, name: &str, shovel: &Value) -> Result<()> {
        self.put(&["parameters", "shovel", vhost, name], &json!({ "value": shovel })).await
    }

    /// Ends a shovel. Nothing where there is none.
    pub async fn delete_shovel(&self, vhost: &str, name: &str) -> Result<()> {
        self.delete(&["parameters", "shovel", vhost, name]).await
    }

    /// Makes a durable queue, unless it exists.
    pub async fn put_queue(&self, vhost: &str, queue: &str) -> Result<()> {
        self.put(&["queues", vhost, queue], &json!({ "durable": true })).await
    }

    /// Has a queue receive what goes to an exchange with this routing key, or pattern.
    pub async fn bind_queue(&self, vhost: &str, exchange: &str, queue: &str, routing_key: &str) -> Result<()> {
        let path = ["bindings", vhost, "e", exchange, "q", queue];
        self.send(Method::POST, &path, Some(&json!({ "routing_key": routing_key }))).await.map(drop)
    }

    /// The node that answers.
    pub async fn node(&self) -> Result<Node> {
        let overview: Value = self.get(&["overview"]).await?;
        let text = |name: &str| overview[name].as_str().with_context(|| format!("the overview has no {name}"));
        let process_id = timeout(NODE_LIMIT, self.process_id(text("node")?));
        let process_id = process_id.await.context("the node tells no process id")??;
        Ok(Node { version: text("rabbitmq_version")?.to_owned(), process_id })
    }

    /// A node that has just started doesn't tell it yet.
    async fn process_id(&self, node: &str) -> Result<u32> {
        loop {
            let node: Value = self.get(&["nodes", node]).await?;
            if let Some(id) = node["os_pid"].as_str() {
                return id.parse().with_context(|| format!("the node's process id is {id}"));
            }
            sleep(NODE_INTERVAL).await;
        }
    }

    /// All queues of a virtual host.
    pub async fn queues(&self, vhost: &str) -> Result<Vec<Queue>> {
        self.get(&["queues", vhost]).await
    }

    /// The messages in a queue, ready and unacknowledged; see [`Queue`] for how current that is.
    pub async fn queue_messages(&self, vhost: &str, queue: &str) -> Result<Option<u64>> {
        Ok(self.get::<Queue>(&["queues", vhost, queue]).await?.messages)
    }

    /// Takes messages out of a queue, at most so many: `payload` in Base64, `properties` with `headers`, and more.
    pub async fn take(&self, vhost: &str, queue: &str, count: u32) -> Result<Vec<Value>> {
        let body = json!({ "count": count, "ackmode": "ack_requeue_false", "encoding": "base64" });
        let answer = self.send(Method::POST, &["queues", vhost, queue, "get"], Some(&body)).await?;
        serde_json::from_str(&answer).with_context(|| format!("reading the messages of {queue}"))
    }

    /// How often messages of each queue were delivered again, by the queue's name; since the broker's start.
    pub async fn redelivered(&self, vhost: &str) -> Result<BTreeMap<String, u64>> {
        let queues: Vec<Value> = self.get(&["queues", vhost]).await?;
        let count = |queue: &Value| {
            let name = queue["name"].as_str()?.to_owned();
            Some((name, queue["message_stats"]["redeliver"].as_u64().unwrap_or_default()))
        };
        Ok(queues.iter().filter_map(count).collect())
    }

    /// Deletes a queue with what is in it.
    pub async fn delete_queue(&self, vhost: &str, queue: &str) -> Result<()> {
        self.delete(&["queues", vhost, queue]).await
    }

    /// Throws away what is ready in a queue.
    pub async fn purge_queue(&self, vhost: &str, queue: &str) -> Result<()> {
        self.delete(&["queues", vhost, queue, "contents"]).await
    }

    /// All connections, also to other virtual hosts; a new one appears after a second or two.
    pub async fn connections(&self) -> Result<Vec<Connection>> {
        // Until its first report a connection is listed without its user.
        let listed: Vec<Value> = self.get(&["connections"]).await?;
        Ok(listed.into_iter().filter_map(|connection| serde_json::from_value(connection).ok()).collect())
    }

    /// Closes one connection, as an operator would: the client is told. Nothing where it is gone.
    pub async fn close_connection(&self, name: &str) -> Result<()> {
        self.delete(&["connections", name]).await
    }

    /// Closes all connections of a user, as an operator would.
    pub async fn close_connections_of(&self, user: &str) -> Result<()> {
        self.delete(&["connections", "username", user]).await
    }

    async fn get<T: DeserializeOwned>(&self, path: &[&str]) -> Result<T> {
        let answer = self.send(Method::GET, path, None).await?;
        serde_json::from_str(&answer).with_context(|| format!("reading the answer to GET {}", path.join("/")))
    }

    async fn put(&self, path: &[&str], body: &Value) -> Result<()> {
        self.send(Method::PUT, path, Some(body)).await.map(drop)
    }

    async fn delete(&self, path: &[&str]) -> Result<()> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }

    /// Sends a request and returns the answer's text; a 404 to DELETE counts as success.
    async fn send(&self, method: Method, path: &[&str], body: Option<&Value>) -> Result<String> {
        let mut url = self.api.clone();
        if let Ok(mut segments) = url.path_segments_mut() {
            // Encodes what a name may hold, such as the default virtual host's slash.
            segments.pop_if_empty().push("api").extend(path);
        }
        let mut request = self.http.request(method.clone(), url).basic_auth(&self.user, Some(&self.password));
        if let Some(body) = body {
            request = request.json(body);
        }
        let what = || format!("{method} /api/{} on RabbitMQ's management API", path.join("/"));
        let response = request.send().await.with_context(what)?;
        let status = response.status();
        let text = response.text().await.with_context(what)?;
        let gone_already = method == Method::DELETE && status == StatusCode::NOT_FOUND;
        if !status.is_success() && !gone_already {
            bail!("{} answered {status}: {text}", what());
        }
        Ok(text)
    }
}
