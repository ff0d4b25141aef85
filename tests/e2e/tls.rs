//! Broker and database over TLS, with certificates made on the spot: the right ones only.

use std::path::{Path, PathBuf};

use messages::Encoding;
use serde_json::json;
use test_support::deployment::Settings;
use test_support::services::tls::Authority;
use test_support::services::{Progress, Service, Services, Stack};
use test_support::world::World;

use crate::order;

/// What the servers are called by; not `localhost`.
const NAMES: [&str; 1] = ["127.0.0.1"];

/// A broker and a database that take no plain connection; the shared store.
struct OwnServices {
    services: Services,
    dir: tempfile::TempDir,
}

impl OwnServices {
    async fn start(authority: &Authority) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let ca_file = pem_file(dir.path(), "ca.pem", authority);
        let (path, certificate) = (dir.path().to_owned(), authority.issue(&NAMES).unwrap());
        let start = move || {
            let stack = Stack::at(&path)?.with_tls(certificate);
            stack.up_some(&[Service::RabbitMq, Service::Postgres], &Progress::silent())
        };
        let own = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
        let Services { rgw_url, rgw_access_key, rgw_secret_key, .. } = Services::load().unwrap();
        let services = Services { rgw_url, rgw_access_key, rgw_secret_key, tls_ca_file: Some(ca_file), ..own };
        Self { services, dir }
    }
}

impl Drop for OwnServices {
    fn drop(&mut self) {
        if let Err(error) = Stack::at(self.dir.path()).and_then(|stack| stack.delete(&Progress::silent())) {
            eprintln!("a broker or a database may still run: {error:#}");
        }
    }
}

fn pem_file(dir: &Path, name: &str, authority: &Authority) -> PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, authority.pem()).unwrap();
    file
}

/// What `purser <command>` says when it ends, with these variables.
async fn output(world: &World, command: &str, variables: &[(&str, &str)]) -> String {
    let mut process = world.deployment.spawn_unready(command, variables).unwrap();
    process.wait_ready().await.expect_err("it ends");
    process.log()
}

#[tokio::test]
async fn broker_and_database_are_reached_over_tls_and_must_prove_who_they_are() {
    let own = OwnServices::start(&Authority::new().unwrap()).await;
    // What the system trusts: somebody else alone. Reading all of its authorities for each connection takes long in a
    // debug build.
    let system = pem_file(own.dir.path(), "system.pem", &Authority::new().unwrap());
    let variables = vec![("SSL_CERT_FILE".to_owned(), system.to_str().unwrap().to_owned())];
    let world = World::start_on(&own.services, Settings { variables, ..Settings::default() }, &["all"]).await;
    let (s3uid, _) = order(&world).await;
    let php = world.frontend().await;
    let reply = php.call("get_buckets_rmq", json!({"s3uid": s3uid}), Encoding::MessagePack, None).await.unwrap();
    assert_eq!(reply["result"], "OK", "{reply}");
    let encrypted = "SELECT count(*) > 3, bool_and(ssl) FROM pg_stat_ssl JOIN pg_stat_activity USING (pid)
                     WHERE usename LIKE 'purser\\_%' AND datname = current_database()";
    assert_eq!(world.sql(encrypted).await, "t|t");
    world.deployment.purser_ok(&["parked", "list"]).await.unwrap();

    let stranger = pem_file(own.dir.path(), "stranger.pem", &Authority::new().unwrap());
    let (stranger, right) = (stranger.to_str().unwrap(), own.services.tls_ca_file.as_ref().unwrap().to_str().unwrap());
    let broker = world.deployment.amqp_admin_url();
    let (by_name, plain) = (broker.replace("127.0.0.1", "localhost"), broker.replace("amqps://", "amqp://"));
    let database = world.deployment.database_url_of("purser_billing").unwrap();
    let database_by_name = database.replace("127.0.0.1", "localhost");
    let unencrypted = database.replace("sslmode=verify-full", "sslmode=disable");
    let unknown_ca = database.replace(&*urlencoded(right), &urlencoded(stranger));
    assert_ne!(unknown_ca, database);
    let broker_cases = [
        ("another authority", vec![("PURSER__AMQP__CA_FILE", stranger)], "UnknownIssuer"),
        ("another name", vec![("PURSER__AMQP__URL", by_name.as_str())], "not valid for"),
        ("no TLS", vec![("PURSER__AMQP__URL", plain.as_str())], "amqp.url: must begin with amqps://"),
        ("no certificate", vec![("PURSER__AMQP__CA_FILE", "purser.toml")], "there is none as PEM"),
        ("no file", vec![("PURSER__AMQP__CA_FILE", "/nonexistent")], "No such file"),
    ];
    let database_cases = [
        ("another authority", unknown_ca, "UnknownIssuer"),
        ("another name", database_by_name, "not valid for"),
        ("no TLS", unencrypted, "no encryption"),
    ];
    let broker_outputs = broker_cases.iter().map(async |(what, variables, expected)| {
        let output = output(&world, "migrate", variables).await;
        assert!(output.contains(expected) && !output.contains("amqps://p"), "broker, {what}: {output}");
    });
    let database_outputs = database_cases.iter().map(async |(what, url, expected)| {
        let output = output(&world, "doctor", &[("PURSER__BILLING__DATABASE_URL", url)]).await;
        assert!(output.contains("database.billing") && output.contains(expected), "database, {what}: {output}");
    });
    tokio::join!(futures_util::future::join_all(broker_outputs), futures_util::future::join_all(database_outputs));
    drop(world);
}

/// As it stands in a URL's query.
fn urlencoded(text: &str) -> String {
    url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
}
