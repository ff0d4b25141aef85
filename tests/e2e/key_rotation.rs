//! The key that seals S3 secrets is changed while everything runs on.

use std::path::PathBuf;
use std::process::{Output, Stdio};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use messages::Encoding;
use reqwest::Method;
use serde_json::{Value, json};
use test_support::deployment::Settings;
use test_support::http::HttpCaller;
use test_support::proxy::HoldingProxy;
use test_support::world::{World, wait_until};

use crate::{LIMIT, order, text};

/// A world whose provisioner is its last process, and the key that it was started with.
async fn world() -> (World, String) {
    let world = World::start_with(Settings::default(), &["gateway", "billing", "metering", "provisioner"]).await;
    let old = std::fs::read_to_string(key_file(&world)).unwrap();
    (world, old.trim().to_owned())
}

fn key_file(world: &World) -> PathBuf {
    world.deployment.dir().join("sealing.key")
}

fn new_key() -> String {
    STANDARD.encode(rand::random::<[u8; 32]>())
}

/// Writes these keys into the key file and starts the provisioner with them; the one that ran is gone.
async fn restart_with(world: &mut World, keys: &[&str]) {
    let mut running = world.processes.pop().unwrap();
    running.stop().await.unwrap();
    start_with(world, keys).await;
}

async fn start_with(world: &mut World, keys: &[&str]) {
    std::fs::write(key_file(world), keys.join("\n")).unwrap();
    let provisioner = world.deployment.spawn("provisioner", &[]).await.unwrap();
    world.processes.push(provisioner);
}

async fn rotate(world: &World, arguments: &[&str]) -> (Option<i32>, String) {
    let Output { status, stdout, stderr } =
        world.deployment.purser(&[&["keys", "rotate"], arguments].concat()).await.unwrap();
    (status.code(), format!("{}{}", String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr)))
}

/// The secret key that a customer is shown.
async fn secret(world: &World, s3uid: &str) -> Value {
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    account.get("secret_key").cloned().unwrap_or(account)
}

/// A new secret key under this idempotency key; asked again, the saved reply.
async fn new_password(world: &World, name: &str) -> String {
    let caller = world.http_caller(Some(&world.customer_token));
    let request = caller.request_to(Method::POST, &format!("/storage/newpassword/{name}"));
    let reply = HttpCaller::send(request.header("Idempotency-Key", "the only one")).await.unwrap().body;
    text(&reply["result"]["password"])
}

/// How many keys have sealed the accounts' secrets.
async fn keys_in_use(world: &World) -> String {
    world.sql("SELECT count(DISTINCT substr(sealed_secret_key, 1, 4)) FROM provisioner.accounts").await
}

#[tokio::test]
async fn everything_is_sealed_anew_beside_running_workers_also_after_an_interruption() {
    let (mut world, old) = world().await;
    let mut accounts = Vec::new();
    for _ in 0..3 {
        accounts.push(order(&world).await.0);
    }
    accounts.sort();
    let name = world.sql(&format!("SELECT name FROM billing.orders WHERE s3uid = '{}'", accounts[0])).await;
    let password = new_password(&world, &name).await;
    let mut secrets = Vec::new();
    for s3uid in &accounts {
        secrets.push(secret(&world, s3uid).await);
    }
    assert_eq!(secrets[0], json!(password));
    let assert_readable = async |world: &World| {
        for (s3uid, secret) in accounts.iter().zip(&secrets) {
            assert_eq!(self::secret(world, s3uid).await, *secret, "{s3uid}");
        }
        assert_eq!(new_password(world, &name).await, password, "the saved reply");
    };

    let new = new_key();
    restart_with(&mut world, &[&new, &old]).await;
    assert_readable(&world).await;
    let (code, printed) = rotate(&world, &["--check"]).await;
    assert_eq!(code, Some(1), "{printed}");

    // Somebody holds the last account's row: the rotation stops before it, and is killed there.
    let url = world.deployment.database_url().unwrap();
    let hold = format!("SELECT FROM provisioner.accounts WHERE s3uid = '{}' FOR UPDATE", accounts[2]);
    let statements = ["-c", "BEGIN", "-c", hold.as_str(), "-c", "SELECT pg_sleep(600)"];
    let mut holder = tokio::process::Command::new("psql");
    holder.args(statements).arg(&url).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let holder = holder.spawn().unwrap();
    let sleeping =
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event = 'PgSleep'";
    wait_until(LIMIT, "the row is held", async || world.sql(sleeping).await == "1").await;
    tokio::select! {
        done = rotate(&world, &[]) => panic!("it waits for the row: {done:?}"),
        () = wait_until(LIMIT, "the other accounts are done", async || keys_in_use(&world).await == "2") => {}
    }
    assert_readable(&world).await;
    let sleeper = sleeping.replace("count(*)", "pg_terminate_backend(pid)");
    world.sql(&sleeper).await;
    drop(holder);

    let (code, printed) = rotate(&world, &[]).await;
    assert_eq!(code, Some(0), "{printed}");
    assert_eq!(keys_in_use(&world).await, "1");
    assert!(rotate(&world, &[]).await.1.starts_with("0 secrets sealed anew"), "there is nothing left to do");

    restart_with(&mut world, &[&new]).await;
    assert_readable(&world).await;
    let (another, _) = order(&world).await;
    assert!(secret(&world, &another).await.is_string());
    assert_eq!(rotate(&world, &["--check"]).await.0, Some(0));

    // A worker that was left with the old key gives nothing out and says why.
    restart_with(&mut world, &[&old]).await;
    assert_eq!(secret(&world, &another).await["message"], "not available at the moment; please try again");
    let log = world.processes.last().unwrap().log();
    assert!(log.contains("sealed with key") && log.contains("but the key file holds only"), "{log}");
    let (code, printed) = rotate(&world, &[]).await;
    assert!(
        code == Some(1) && printed.contains(&format!("not opened: account {another}: sealed with key")),
        "{printed}"
    );
    restart_with(&mut world, &[&new]).await;
    assert_readable(&world).await;
}

#[tokio::test]
async fn a_command_under_way_is_finished_with_the_new_key_alone() {
    let (mut world, old) = world().await;
    world.processes.pop().unwrap().stop().await.unwrap();
    let proxy = HoldingProxy::to(&world.deployment.services().rgw_url).await.unwrap();
    let variables = [("PURSER__LOCATIONS__NL__RGW_URL", proxy.url())];
    let variables: Vec<_> = variables.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let behind_proxy = world.deployment.spawn("provisioner", &variables).await.unwrap();
    world.processes.push(behind_proxy);

    proxy.hold(Some("/admin/user?"));
    let php = world.frontend().await;
    let bucket = world.bucket_name("rotated");
    let call = php.call("create_order", json!({"plan_id": 1, "bucket_name": bucket}), Encoding::MessagePack, None);
    let change = async {
        wait_until(LIMIT, "RGW has made the user", async || proxy.held() > 0).await;
        world.processes.pop().unwrap().kill().unwrap();
        let new = new_key();
        std::fs::write(key_file(&world), format!("{new}\n{old}")).unwrap();
        let (code, printed) = rotate(&world, &[]).await;
        assert!(code == Some(0) && printed.starts_with("1 secrets sealed anew"), "the plan's: {printed}");
        start_with(&mut world, &[&new]).await;
    };
    let (reply, ()) = tokio::join!(call, change);
    let s3uid = text(&reply.unwrap()["s3uid"]);
    let (_, account) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    assert_eq!(account["message"][0]["name"], json!(bucket), "RGW knows the keys that were planned");
}

#[tokio::test]
async fn a_key_file_that_is_none_is_refused_at_once() {
    let mut world = World::start_with(Settings::default(), &[]).await;
    let key = new_key();
    for (content, message) in [
        ("not a key".to_owned(), "line 1: a sealing key is 32 bytes in Base64"),
        (format!("{key}\n{key}"), "line 2: this key stands in the file already"),
        ("# none\n".to_owned(), "the file holds no key"),
    ] {
        std::fs::write(key_file(&world), &content).unwrap();
        let mut process = world.deployment.spawn_unready("provisioner", &[]).unwrap();
        assert!(process.wait_ready().await.is_err());
        assert!(process.log().contains(message), "{}", process.log());
        assert!(!process.log().contains(&key), "no key is shown");
        assert_eq!(rotate(&world, &[]).await.0, Some(2));
    }
    world.messages_may_stay();
}
