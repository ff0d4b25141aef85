//! `deploy/rabbitmq/`: a broker that starts empty with these files is the broker that Purser needs.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Output;

use bus::{Bus, BusConfig, Message, PublishError};
use serde_json::{Value, json};
use test_support::broker::Management;
use test_support::services::{Progress, Service, Services, Stack};

const VHOST: &str = "purser";

fn read(name: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy/rabbitmq").join(name);
    std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// A broker that was empty, with the files as an operator installs them, and the administrator that they then add.
struct Broker {
    dir: tempfile::TempDir,
    services: Services,
    url: String,
    config: PathBuf,
}

impl Broker {
    async fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        // The broker's own user reads a file from here, too.
        std::fs::set_permissions(dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let path = dir.path().to_owned();
        let start = move || {
            let stack = Stack::at(&path)?.with_broker_files(read("rabbitmq.conf"), read("broker-definitions.json"));
            let services = stack.up_some(&[Service::RabbitMq], &Progress::silent())?;
            let (user, password) = (&services.rabbitmq_admin_user, &services.rabbitmq_admin_password);
            stack.rabbitmqctl(&["add_user", user, password])?;
            // How full the disk of a test's machine is isn't what is tested.
            stack.rabbitmqctl(&["set_disk_free_limit", "50MB"])?;
            stack.rabbitmqctl(&["set_user_tags", user, "administrator"])?;
            stack.rabbitmqctl(&["set_permissions", "-p", VHOST, user, ".*", ".*", ".*"])?;
            anyhow::Ok(services)
        };
        let services = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
        let Services { rabbitmq_admin_user: user, rabbitmq_admin_password: password, .. } = &services;
        let url = format!("amqp://{user}:{password}@{}:{}/{VHOST}", services.amqp_host, services.amqp_port);
        let config = dir.path().join("purser.toml");
        let text = format!("[amqp]\nurl = \"{url}\"\nmanagement_url = \"{}\"\n", services.rabbitmq_api_url);
        std::fs::write(&config, text).unwrap();
        Self { dir, services, url, config }
    }

    fn purser(&self, arguments: &[&str]) -> Output {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_purser"));
        command.args(arguments).env("PURSER_CONFIG", &self.config).output().unwrap()
    }

    /// What `purser topology check` finds.
    fn differences(&self) -> Value {
        let output = self.purser(&["topology", "check", "--json"]);
        let errors = String::from_utf8_lossy(&output.stderr);
        serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"))
    }

    fn rabbitmqctl(&self, arguments: &[&str]) {
        Stack::at(self.dir.path()).unwrap().rabbitmqctl(arguments).unwrap();
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        if let Err(error) = Stack::at(self.dir.path()).and_then(|stack| stack.delete(&Progress::silent())) {
            eprintln!("a broker may still run: {error:#}");
        }
    }
}

/// The number that a key of `rabbitmq.conf` has.
fn number(key: &str) -> usize {
    let text = read("rabbitmq.conf");
    let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = ")).expect("the key");
    value.parse().expect("a number")
}

#[tokio::test]
async fn an_empty_broker_becomes_the_broker_that_purser_needs() {
    let broker = Broker::start().await;
    // The broker starts on known keys only. Nobody but the administrator gets in.
    assert_eq!(broker.differences(), json!([]));
    let management = Management::new(&broker.services).unwrap();
    assert_eq!(management.users().await.unwrap(), std::slice::from_ref(&broker.services.rabbitmq_admin_user));

    the_size_of_messages_is_limited(&broker).await;
    a_policy_that_is_gone_comes_back_by_its_remedy(&broker);
}

async fn the_size_of_messages_is_limited(broker: &Broker) {
    let bus = Bus::connect(BusConfig::new(broker.url.clone().into(), "e2e")).await.unwrap();
    let publisher = bus.publisher();
    let bytes_max = number("max_message_size");
    let message = |bytes: usize| Message { mandatory: true, ..Message::new("s3.parked", "billing", vec![b'x'; bytes]) };
    publisher.publish(message(bytes_max)).await.expect("as much as the limit");
    let refused = publisher.publish(message(bytes_max + 1)).await.expect_err("more than the limit");
    let PublishError::Refused(reason) = &refused else { panic!("{refused}") };
    let told = format!("message size {} is larger than configured max size {bytes_max}", bytes_max + 1);
    assert!(reason.contains("PRECONDITION_FAILED") && reason.contains(&told), "{reason}");
    publisher.publish(message(1)).await.expect("the connection goes on");
    bus.close().await;
}

fn a_policy_that_is_gone_comes_back_by_its_remedy(broker: &Broker) {
    broker.rabbitmqctl(&["clear_policy", "-p", VHOST, "purser-parked"]);
    let found = broker.differences();
    let (what, remedy) = (&found[0]["what"], found[0]["remedy"].as_str().unwrap());
    assert_eq!((found.as_array().unwrap().len(), what), (1, &json!("policy purser-parked")), "{found}");
    assert!(remedy.starts_with("purser topology definitions --vhost 'purser' >definitions.json; "), "{remedy}");

    let printed = broker.purser(&["topology", "definitions", "--vhost", VHOST]).stdout;
    let file = broker.dir.path().join("definitions.json");
    std::fs::write(&file, printed).unwrap();
    broker.rabbitmqctl(&["import_definitions", file.to_str().unwrap()]);
    assert_eq!(broker.differences(), json!([]));
}
