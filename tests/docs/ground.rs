//! What the pages' commands stand on: a whole Purser, with real accounts, keys and messages behind the names they use.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use tempfile::TempDir;
use test_support::broker::{Management, Permissions};
use test_support::deployment::Settings;
use test_support::world::{self, World, wait_until};
use uuid::Uuid;

use crate::blocks::{Block, root};

const LIMIT: Duration = Duration::from_secs(30);
/// The service of docs/internal-services.md that listens, with the rights that this page names.
const LISTENER_RIGHTS: Permissions<'static> =
    Permissions { configure: r"^audit\.", write: r"^audit\.", read: r"^(audit\.|s3\.events$)" };

/// What pages name without saying where it comes from: an API key, accounts, a callback key, a command, parked messages.
const NAMES: [&str; 8] = ["KEY", "S3UID", "OLD_S3UID", "CALLBACK", "COMMAND_ID", "ID", "OTHER_ID", "USELESS_ID"];

pub(crate) struct Ground {
    pub(crate) world: World,
    listener: String,
}

impl Ground {
    pub(crate) async fn start() -> Self {
        let world = World::start_with(Settings { has_notifications: true, ..Settings::default() }, &["all"]).await;
        let listener = format!("listener-{}", world.deployment.name());
        let (management, vhost) = (world.management(), world.deployment.name().to_owned());
        management.put_user(&listener, &listener, "").await.expect("a broker user");
        management.set_permissions(&vhost, &listener, LISTENER_RIGHTS).await.expect("its rights");
        Self { world, listener }
    }

    /// A folder that looks like the repository, in which a page's commands may write.
    pub(crate) fn folder(&self) -> TempDir {
        let dir = tempfile::tempdir().expect("a folder");
        for entry in fs::read_dir(root()).expect("the repository") {
            let entry = entry.expect("an entry");
            if !["target", ".git"].iter().any(|left_out| entry.file_name() == *left_out) {
                symlink(entry.path(), dir.path().join(entry.file_name())).expect("a link");
            }
        }
        fs::create_dir_all(dir.path().join("target/dev")).expect("a folder");
        fs::create_dir(dir.path().join("home")).expect("a folder");
        fs::write(dir.path().join("target/dev/env"), self.env_file()).expect("the file of `cargo xtask up`");
        fs::write(dir.path().join("home/.rabbitmqadmin.conf"), self.rabbitmqadmin_conf()).expect("its settings");
        dir
    }

    /// What `cargo xtask up` writes.
    fn env_file(&self) -> String {
        let World { deployment, admin_token, customer_token, .. } = &self.world;
        world::environment_file(deployment, admin_token, customer_token).expect("addresses and tokens")
    }

    fn rabbitmqadmin_conf(&self) -> String {
        let services = self.world.deployment.services();
        let api: reqwest::Url = services.rabbitmq_api_url.parse().expect("an address");
        format!(
            "[default]\nhostname = {}\nport = {}\nusername = {}\npassword = {}\nvhost = {}\n",
            api.host_str().expect("a host"),
            api.port_or_known_default().expect("a port"),
            services.rabbitmq_admin_user,
            services.rabbitmq_admin_password,
            self.world.deployment.name(),
        )
    }

    /// The environment of a page's commands in `folder`: an operator's and a caller's on this machine, and what the page's
    /// blocks name without saying where it comes from.
    pub(crate) async fn environment(&self, folder: &Path, blocks: &[Block]) -> BTreeMap<String, String> {
        let path = std::env::var("PATH").unwrap_or_default();
        let purser = Path::new(env!("CARGO_BIN_EXE_purser")).parent().expect("a folder").display();
        let deployment = &self.world.deployment;
        let mut environment = BTreeMap::from([
            ("PATH".to_owned(), format!("{purser}:{path}")),
            ("HOME".to_owned(), folder.join("home").display().to_string()),
            ("PURSER_CONFIG".to_owned(), deployment.config_file().display().to_string()),
            ("AUDIT_AMQP_URL".to_owned(), deployment.amqp_url_with(&self.listener, &self.listener)),
        ]);
        let World { admin_token, customer_token, .. } = &self.world;
        let variables = world::environment(deployment, admin_token, customer_token).expect("addresses and tokens");
        environment.extend(variables.into_iter().map(|(name, value)| (name.to_owned(), value)));
        for name in NAMES {
            if is_taken_for_granted(name, blocks) {
                environment.insert(name.to_owned(), self.make(name).await);
            }
        }
        environment
    }

    async fn make(&self, name: &str) -> String {
        match name {
            "KEY" => {
                let printed = self.world.deployment.purser_ok(&["api-key", "issue", "--customer", "1"]).await;
                let printed = printed.expect("an API key");
                let mut words = printed.split_whitespace();
                words.find(|word| word.starts_with("pk_")).unwrap_or_else(|| panic!("{printed}")).to_owned()
            }
            "S3UID" | "OLD_S3UID" => self.order(&new_id()).await,
            "CALLBACK" => {
                let s3uid = self.order(&new_id()).await;
                text(&self.world.http("delete_payment_account", json!({"s3uid": s3uid, "wait": 0})).await.1["callback"])
            }
            "COMMAND_ID" => {
                let id = new_id();
                self.order(&id).await;
                id
            }
            _ => self.park().await,
        }
    }

    /// Orders under this id; returns the s3uid once the service has begun, which is a moment after the account is usable.
    async fn order(&self, id: &str) -> String {
        let order = json!({"plan_id": 1, "bucket_name": self.world.bucket_name("docs")});
        let caller = self.world.http_caller(Some(&self.world.customer_token));
        let reply = caller.call_with_key("create_order", &order, Some(id)).await.expect("an answer");
        assert_eq!(reply.body["result"], "OK", "{}", reply.body);
        let s3uid = text(&reply.body["s3uid"]);
        wait_until(LIMIT, "the service has begun", async || {
            let preview = self.world.deployment.purser_ok(&["invoice", "preview", "--account", &s3uid]).await;
            preview.is_ok()
        })
        .await;
        s3uid
    }

    /// A parked message's id.
    async fn park(&self) -> String {
        let before = self.parked().await;
        let message = json!({
            "routing_key": "create_bucket", "payload": "{}", "payload_encoding": "string",
            "properties": { "type": "create_bucket", "content_type": "application/json", "delivery_mode": 2 },
        });
        let vhost = self.world.deployment.name();
        self.world.management().publish(vhost, "s3.commands", &message).await.expect("a message from a stranger");
        let mut new = None;
        wait_until(LIMIT, "the message is parked", async || {
            new = self.parked().await.into_iter().find(|id| !before.contains(id));
            new.is_some()
        })
        .await;
        new.expect("an id")
    }

    async fn parked(&self) -> Vec<String> {
        let printed = self.world.deployment.purser_ok(&["parked", "list", "--json"]).await.expect("a list");
        let printed: Value = serde_json::from_str(&printed).expect("JSON");
        printed.as_array().expect("a list").iter().map(|message| text(&message["id"])).collect()
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let (services, listener) = (self.world.deployment.services().clone(), self.listener.clone());
        let gone = async move { Management::new(&services)?.delete_user(&listener).await };
        if let Err(error) = test_support::deployment::blocking(gone) {
            eprintln!("the broker user {} is left: {error:#}", self.listener);
        }
    }
}

fn new_id() -> String {
    Uuid::new_v4().to_string()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}

/// Whether the variable is used before the page gives it a value.
fn is_taken_for_granted(name: &str, blocks: &[Block]) -> bool {
    let is_part_of_name = |next: char| next.is_alphanumeric() || next == '_';
    let uses = |line: &str| {
        let mut named = line.split('$').skip(1).filter_map(|rest| rest.trim_start_matches('{').strip_prefix(name));
        named.any(|rest| !rest.starts_with(is_part_of_name))
    };
    let assignment = format!("{name}=");
    let mut lines = blocks.iter().flat_map(|block| block.text.lines());
    lines.find(|line| line.starts_with(&assignment) || uses(line)).is_some_and(uses)
}
