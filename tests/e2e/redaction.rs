//! Purser does everything that it can, and then every secret made meanwhile is searched for wherever something stays.

use std::collections::BTreeSet;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use messages::{ACTIONS, ActionKind, Api, Encoding};
use serde_json::{Value, json};
use test_support::amqp::{self, AmqpCaller};
use test_support::deployment::{Process, Settings};
use test_support::world::{CUSTOMER_ID, World, wait_until};
use url::Url;

use crate::{LIMIT, customer_store, text, upload};

/// A copy of every message that is published to an exchange.
const COPIES: &str = "copies";
const MESSAGES_MAX: u32 = 100_000;
/// Shorter texts would be found by chance.
const SECRET_CHARS_MIN: usize = 16;

/// What was learnt on the way.
#[derive(Default)]
struct Seen {
    /// What it is, and the secret.
    secrets: Vec<(String, String)>,
    called: BTreeSet<String>,
    /// Where something stays, and what is there.
    places: Vec<(String, String)>,
}

impl Seen {
    fn secret(&mut self, what: impl Into<String>, secret: impl Into<String>) {
        let (what, secret) = (what.into(), secret.into());
        assert!(secret.len() >= SECRET_CHARS_MIN, "{what} is no secret");
        self.secrets.push((what, secret));
    }

    fn place(&mut self, name: impl Into<String>, content: impl AsRef<[u8]>) {
        self.places.push((name.into(), String::from_utf8_lossy(content.as_ref()).into_owned()));
    }

    /// Secrets that a reply holds; a refusal is a place where none may be.
    fn reply(&mut self, action: &str, reply: &Value) {
        if reply.get("code").is_some_and(|code| !matches!(code.as_i64(), Some(200..300))) {
            self.place(format!("a refusal of {action}"), reply.to_string());
        } else if action == "show_key" {
            self.secret("a shown key", text(&reply["key"]));
        } else {
            self.harvest(action, reply);
        }
    }

    fn harvest(&mut self, action: &str, value: &Value) {
        match value {
            Value::Object(fields) => {
                for (name, field) in fields {
                    match field {
                        Value::String(secret) if ["secret_key", "password", "token", "callback"].contains(&&**name) => {
                            self.secret(format!("{name} of {action}"), secret);
                        }
                        field => self.harvest(action, field),
                    }
                }
            }
            Value::Array(items) => items.iter().for_each(|item| self.harvest(action, item)),
            _ => {}
        }
    }

    /// Where which secret lies, in any form.
    fn leaks(&self) -> Vec<String> {
        let mut leaks = Vec::new();
        for (what, secret) in &self.secrets {
            // The last characters of Base64 depend on what follows.
            let in_base64 = STANDARD.encode(secret);
            let in_base64 = &in_base64[..in_base64.len() - 4];
            let in_url: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            let forms = [secret.clone(), hex::encode(secret), in_base64.to_owned(), in_url];
            for (place, content) in &self.places {
                if forms.iter().any(|form| content.contains(form)) {
                    leaks.push(format!("{what} lies in {place}"));
                }
            }
        }
        leaks
    }
}

/// A customer's and an administrator's calls as the PHP frontend makes them, and by HTTP.
struct Caller<'a> {
    world: &'a World,
    php: AmqpCaller,
    seen: Seen,
}

impl Caller<'_> {
    async fn ask(&mut self, action: &str, parameters: Value) -> Value {
        self.ask_as(amqp::customer(CUSTOMER_ID), action, parameters).await
    }

    async fn ask_as(&mut self, principal: Value, action: &str, parameters: Value) -> Value {
        let php = self.php.asking_for(principal);
        let reply = php.call(action, parameters, Encoding::MessagePack, None).await.unwrap();
        self.seen.reply(action, &reply);
        self.seen.called.insert(action.to_owned());
        reply
    }

    async fn succeed(&mut self, action: &str, parameters: Value) -> Value {
        let reply = self.ask(action, parameters).await;
        assert!(reply["result"] == "OK" || reply["code"].as_i64() >= Some(200), "{action}: {reply}");
        reply
    }

    async fn log_in(&mut self) {
        let key = self.world.deployment.purser_ok(&["api-key", "issue", "--customer", "1"]).await.unwrap();
        self.seen.secret("an API key", &key);
        let (_, login) = self.world.post_form("/auth.php", &[("action", "login"), ("key", &key)]).await;
        self.seen.harvest("login", &login);
        let token = text(&login["result"]["token"]);
        for (path, form) in [
            ("/auth.php", vec![("action", "info"), ("token", token.as_str())]),
            ("/auth.php", vec![("action", "login"), ("key", "pk_wrong")]),
            ("/auth.php", vec![("action", "logout"), ("token", token.as_str())]),
            ("/auth.php", vec![("action", "info"), ("token", token.as_str())]),
            ("/s3.php", vec![("action", "nonsense"), ("token", token.as_str())]),
        ] {
            let (_, reply) = self.world.post_form(path, &form).await;
            self.seen.place(path, reply.to_string());
        }
    }

    async fn use_accounts(&mut self) -> Value {
        let name = |prefix: &str| self.world.bucket_name(prefix);
        let (first, second, third, fourth) = (name("first"), name("second"), name("third"), name("fourth"));
        let order = self.succeed("create_order", json!({"plan_id": 1, "bucket_name": first})).await;
        let s3uid = order["s3uid"].clone();
        self.succeed("create_account", json!({"plan_id": 1, "bucket_name": second})).await;
        self.succeed("create_bucket", json!({"s3uid": s3uid, "bucket_name": third})).await;
        let account = self.succeed("get_buckets_rmq", json!({"s3uid": s3uid})).await;
        let (store, keys) = customer_store(self.world, &account);
        upload(&store, &keys, &first, ["a".to_owned(), "b".to_owned()]).await;
        self.succeed("get_files", json!({"s3uid": s3uid, "bucket_name": first})).await;
        self.succeed("delete_file", json!({"s3uid": s3uid, "bucket_name": first, "filename": "a"})).await;
        self.succeed("delete_bucket", json!({"s3uid": s3uid, "bucket_name": third})).await;
        for key in ["access_key", "secret_key"] {
            let shown = self.php.call("show_key", json!({"s3uid": s3uid, "s3_key": key}), Encoding::Json, None).await;
            if key == "secret_key" {
                self.seen.reply("show_key", &shown.unwrap());
            }
        }
        self.seen.called.insert("show_key".to_owned());
        for action in ["get_user_info", "get_buckets", "get_users", "history", "usage_report", "list_invoices"] {
            self.ask(action, json!({"s3uid": s3uid})).await;
        }
        for action in ["list_plans", "get_available_locations", "invoice_preview", "storage_prices", "storage_info"] {
            self.ask(action, json!({})).await;
        }
        self.ask("invoice_preview", json!({"s3uid": s3uid})).await;
        self.ask("get_invoice", json!({"number": "NL-1"})).await;
        self.ask("plan_change_preview", json!({"s3uid": s3uid, "plan_id": 2})).await;
        self.ask("change_plan", json!({"s3uid": s3uid, "plan_id": 2})).await;
        self.use_callback(&s3uid, &fourth).await;
        s3uid
    }

    async fn use_callback(&mut self, s3uid: &Value, bucket: &str) {
        let parameters = json!({"s3uid": s3uid, "bucket_name": bucket, "wait": 0});
        let (_, reply) = self.world.http("create_bucket", parameters).await;
        self.seen.reply("create_bucket", &reply);
        let key = text(&reply["callback"]);
        let form = [("action", "check"), ("key", key.as_str())];
        wait_until(LIMIT, "the callback", async || {
            self.world.post_form("/eq_callback.php", &form).await.1["state"] == "done"
        })
        .await;
    }

    async fn use_package(&mut self) {
        let created = self.succeed("storage_create", json!({"name": "PS100"})).await;
        let name = created["result"]["name"].clone();
        for action in ["storage_newpassword", "storage_info", "storage_delete", "storage_undelete"] {
            self.succeed(action, json!({"name": name})).await;
        }
    }

    async fn administer(&mut self, s3uid: &Value) {
        let admin = amqp::admin();
        for (action, parameters) in [
            ("hold_service", json!({"s3uid": s3uid, "hold": "lock", "reason": "a test"})),
            ("hold_service", json!({"s3uid": s3uid, "hold": "none"})),
            ("update_traffic_info", json!({"s3uid": s3uid})),
            ("add_payment", json!({"id": CUSTOMER_ID, "amount": "1.00", "currency": "EUR", "reference": "a test"})),
        ] {
            self.ask_as(admin.clone(), action, parameters).await;
        }
        for arguments in [
            &["account", "list", "--json"][..],
            &["account", "show", s3uid.as_str().unwrap()],
            &["account", "show", s3uid.as_str().unwrap(), "--json"],
            &["bucket", "list"],
            &["service", "list", "--json"],
            &["token", "list", "--json"],
            &["payment", "list"],
            &["customer", "show", "1", "--json"],
            &["customer", "list"],
            &["plan", "list"],
            &["api-key", "list"],
            &["usage"],
            &["invoice", "list"],
            &["ledger", "verify"],
            &["reconcile"],
            &["doctor"],
            &["config", "check"],
            &["keys", "rotate"],
            &["token", "revoke", "ps_wrong"],
        ] {
            let output = self.world.deployment.purser(arguments).await.unwrap();
            self.seen.place(
                format!("what `purser {}` prints", arguments.join(" ")),
                [output.stdout, output.stderr].concat(),
            );
        }
    }

    /// Each action by somebody who may not, and with nothing said.
    async fn be_refused(&mut self) {
        let names: Vec<_> = ACTIONS.iter().filter(|spec| spec.api != Api::Internal).map(|spec| spec.name).collect();
        for action in names {
            for parameters in [json!({}), json!({"s3uid": "0".repeat(32), "name": "none", "plan_id": "x"})] {
                if action == "storage_create" && parameters == json!({}) {
                    continue;
                }
                let (_, over_http) = self.world.http_other(action, parameters.clone()).await;
                self.seen.reply(action, &over_http);
                let other = amqp::customer(test_support::world::OTHER_CUSTOMER_ID);
                self.ask_as(other, action, parameters).await;
            }
        }
    }

    async fn end(&mut self, s3uid: &Value) {
        self.succeed("delete_payment_account", json!({"s3uid": s3uid})).await;
        self.succeed("cancel_payment_account_deletion", json!({"s3uid": s3uid})).await;
        self.ask_as(amqp::admin(), "delete_account", json!({"s3uid": s3uid})).await;
    }
}

/// Passwords and keys that are there from the beginning.
fn secrets_of_the_deployment(world: &World) -> Vec<(String, String)> {
    let deployment = &world.deployment;
    let password = |url: &str| Url::parse(url).unwrap().password().unwrap().to_owned();
    let services = deployment.services();
    let sealing_key = std::fs::read_to_string(deployment.dir().join("sealing.key")).unwrap();
    let mut secrets = vec![
        ("the customer's token".to_owned(), world.customer_token.clone()),
        ("the other customer's token".to_owned(), world.other_token.clone()),
        ("the administrator's token".to_owned(), world.admin_token.clone()),
        ("the sealing key".to_owned(), sealing_key.trim().to_owned()),
        ("the sealing key's bytes in hex".to_owned(), hex::encode(STANDARD.decode(sealing_key.trim()).unwrap())),
        ("the database owner's password".to_owned(), password(&deployment.database_url().unwrap())),
        ("the broker administrator's password".to_owned(), services.rabbitmq_admin_password.clone()),
        ("RGW's administrator's key".to_owned(), services.rgw_secret_key.clone()),
    ];
    for (user, _) in bus::BROKER_USERS {
        secrets.push((format!("broker user {user}'s password"), password(&deployment.amqp_url(user))));
    }
    for role in ["gateway", "provisioner", "metering", "billing"] {
        let url = deployment.database_url_of(&format!("purser_{role}")).unwrap();
        secrets.push((format!("database role {role}'s password"), password(&url)));
    }
    secrets
}

async fn copy_every_message(world: &World) {
    let (management, vhost) = (world.management(), world.deployment.name());
    management.put_queue(vhost, COPIES).await.unwrap();
    let exchange = |kind| if kind == ActionKind::Command { "s3.commands" } else { "s3.queries" };
    let actions = ACTIONS.iter().map(|spec| (exchange(spec.kind), spec.name));
    let parked = bus::WORKER_ROLES.iter().map(|role| ("s3.parked", role.as_str()));
    for (exchange, key) in actions.chain(parked).chain([("s3.events", "#"), ("s3.rgw", "#")]) {
        management.bind_queue(vhost, exchange, COPIES, key).await.unwrap();
    }
}

/// What is in the queues, those with copies of all events, commands and queries among them.
async fn queues(world: &World, seen: &mut Seen) {
    let (management, vhost) = (world.management(), world.deployment.name());
    let mut copies = 0;
    for queue in management.queues(vhost).await.unwrap() {
        // A stream can't be emptied; the copies have all that is in it. RGW's own queue is its alone.
        if queue.kind == "stream" || queue.name.starts_with("amq.gen-") {
            continue;
        }
        for message in management.take(vhost, &queue.name, MESSAGES_MAX).await.unwrap() {
            let payload = STANDARD.decode(text(&message["payload"])).unwrap();
            let content = format!("{message}\n{}", String::from_utf8_lossy(&payload));
            seen.place(format!("a message in {}: {}", queue.name, message["routing_key"]), content);
            copies += usize::from(queue.name == COPIES);
        }
    }
    assert!(copies > 50, "{copies} messages went over the broker");
}

async fn database(world: &World, seen: &mut Seen) {
    let url = world.deployment.database_url().unwrap();
    let dump = tokio::process::Command::new("pg_dump").args(["--inserts", &url]).output().await.unwrap();
    assert!(dump.status.success(), "{}", String::from_utf8_lossy(&dump.stderr));
    for (number, table) in String::from_utf8_lossy(&dump.stdout).split("\n\n\n").enumerate() {
        let name = table.lines().find(|line| line.starts_with("-- Data for Name")).unwrap_or("-- its structure");
        seen.place(format!("the database, part {number} {name}"), table);
    }
}

#[tokio::test]
async fn nothing_that_stays_holds_a_secret() {
    let settings =
        Settings { has_notifications: true, log_filter: "debug,lapin=off".to_owned(), ..Settings::default() };
    let mut world = World::start_with(settings, &["gateway", "provisioner", "metering", "billing"]).await;
    copy_every_message(&world).await;
    let mut caller = Caller { world: &world, php: world.frontend().await, seen: Seen::default() };
    for (what, secret) in secrets_of_the_deployment(&world) {
        caller.seen.secret(what, secret);
    }
    caller.log_in().await;
    let s3uid = caller.use_accounts().await;
    caller.use_package().await;
    caller.administer(&s3uid).await;
    caller.be_refused().await;
    caller.end(&s3uid).await;
    let mut seen = caller.seen;
    let missing: Vec<_> = ACTIONS
        .iter()
        .filter(|spec| spec.api != Api::Internal && !seen.called.contains(spec.name))
        .map(|spec| spec.name)
        .collect();
    assert!(missing.is_empty(), "never called: {missing:?}");

    database(&world, &mut seen).await;
    queues(&world, &mut seen).await;
    for (number, log) in world.processes.iter().map(Process::log).enumerate() {
        assert!(log.contains("DEBUG"), "everything is logged");
        seen.place(format!("the log of process {number}"), log);
    }
    assert!(seen.secrets.len() >= 24 && seen.places.len() > 150, "{} in {}", seen.secrets.len(), seen.places.len());
    let leaks = seen.leaks();
    assert!(leaks.is_empty(), "{}", leaks.join("\n"));
    // The search itself works: it finds what isn't secret.
    let mut check = Seen { places: seen.places, ..Seen::default() };
    check.secret("an s3uid", text(&s3uid));
    assert!(check.leaks().len() > 10);
    let unguessable = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    check.secrets = vec![("nothing".to_owned(), unguessable)];
    assert!(check.leaks().is_empty());
    world.messages_may_stay();
}
