//! Accounts, buckets, services, customers, plans, tokens and payments, as operators see them with `purser`.

use bytes::Bytes;
use object_store::ObjectStore;
use serde_json::{Value, json};
use test_support::world::{World, wait_until};

use crate::{LIMIT, order, order_as, store_of, text};

/// What a command that must succeed prints.
async fn shown(world: &World, arguments: &[&str]) -> String {
    world.deployment.purser_ok(arguments).await.unwrap()
}

/// The same as JSON.
async fn json_of(world: &World, arguments: &[&str]) -> Value {
    serde_json::from_str(&shown(world, &[arguments, &["--json"]].concat()).await).unwrap()
}

/// The values of one key in a printed list.
fn all(list: &Value, name: &str, key: &str) -> Vec<Value> {
    list[name].as_array().unwrap_or_else(|| panic!("{list}")).iter().map(|thing| thing[key].clone()).collect()
}

/// What a command that must fail complains of, and its exit code.
async fn failure(world: &World, arguments: &[&str]) -> (i32, String) {
    let output = world.deployment.purser(arguments).await.unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap(), "", "nothing on stdout");
    (output.status.code().unwrap(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn what_was_ordered_is_listed_and_shown() {
    let world = World::start().await;
    let (s3uid, bucket) = order(&world).await;
    let second = world.bucket_name("second");
    let (_, made) = world.http("create_bucket", json!({"s3uid": s3uid, "bucket_name": second})).await;
    assert_eq!(made["result"], "OK", "{made}");
    let (other, _) = order_as(&world, &world.other_token).await;
    let (store, keys) = store_of(&world, &s3uid).await;
    store.put_object(&keys, &bucket.parse().unwrap(), "file", Bytes::from_static(b"content")).await.unwrap();
    wait_until(LIMIT, "the file is measured and both services have begun", async || {
        world.http_admin("update_traffic_info", json!({"s3uid": s3uid})).await;
        let services = json_of(&world, &["service", "list"]).await;
        let bucket = json_of(&world, &["bucket", "show", &bucket]).await;
        bucket["objects"] == 1 && services["services"].as_array().unwrap().len() == 2
    })
    .await;

    let [both, own, first] = [json!([other, s3uid]), json!([s3uid]), json!([other])];
    for (filter, expected) in [
        (&[][..], &both),
        (&["--customer", "1"], &own),
        (&["--location", "NL"], &both),
        (&["--location", "US"], &json!([])),
        (&["--state", "active", "--customer", "1"], &own),
        (&["--state", "deleted"], &json!([])),
        (&["--limit", "1"], &first),
    ] {
        for (command, list, key) in [("account", "accounts", "s3uid"), ("service", "services", "s3uid")] {
            let state = if command == "service" && filter.contains(&"active") { "running" } else { "active" };
            let filter: Vec<&str> = filter.iter().map(|word| if *word == "active" { state } else { word }).collect();
            let printed = json_of(&world, &[&[command, "list"], &filter[..]].concat()).await;
            assert_eq!(json!(all(&printed, list, key)), *expected, "{command} {filter:?}");
            assert_eq!(printed["has_more"], filter.contains(&"--limit"), "{printed}");
        }
    }
    let listed = world.deployment.purser(&["account", "list", "--limit", "1"]).await.unwrap();
    let complained = String::from_utf8(listed.stderr).unwrap();
    assert_eq!(complained, "there are more accounts than these 1: narrow the choice down, or raise --limit\n");
    let table = shown(&world, &["account", "list"]).await;
    let line = table.lines().find(|line| line.starts_with(&s3uid)).unwrap();
    let words: Vec<&str> = line.split_whitespace().take(8).collect();
    assert_eq!(words, [&s3uid, "1", "NL", "active", "full", "100000000000", "7", "2"], "{table}");

    let mut names = vec![json!(bucket), json!(second)];
    names.sort_by_key(ToString::to_string);
    assert_eq!(all(&json_of(&world, &["bucket", "list", "--account", &s3uid]).await, "buckets", "name"), names);
    let shown_bucket = json_of(&world, &["bucket", "show", &bucket]).await;
    assert_eq!((&shown_bucket["s3uid"], &shown_bucket["usage_bytes"]), (&json!(s3uid), &json!(7)));
    assert!(shown_bucket["measured_at"].is_string(), "{shown_bucket}");
    assert!(shown(&world, &["bucket", "list"]).await.contains(&bucket));
    let printed = shown(&world, &["bucket", "show", &bucket, "--location", "NL"]).await;
    assert!(printed.contains(&s3uid) && printed.contains("measured"), "{printed}");

    an_account_is_shown_without_its_secret(&world, &s3uid).await;
    a_service_and_a_plan_are_shown(&world, &s3uid).await;
}

async fn an_account_is_shown_without_its_secret(world: &World, s3uid: &str) {
    let (_, answered) = world.http("get_buckets_rmq", json!({"s3uid": s3uid})).await;
    let (access_key, secret_key) = (text(&answered["access_key"]), text(&answered["secret_key"]));
    let account = json_of(world, &["account", "show", s3uid]).await;
    assert_eq!((&account["access_key"], &account["objects"]), (&json!(access_key), &json!(1)));
    assert_eq!((&account["service"]["plan_id"], &account["service"]["price"]), (&json!(1), &json!("9.80")));
    assert_eq!(account["bucket_list"].as_array().unwrap().len(), 2);
    let printed = shown(world, &["account", "show", s3uid]).await;
    for part in [&access_key, s3uid, "7 in 1 objects, 2 buckets", "1 version 1: Standard S3 Plan", "next invoice"] {
        assert!(printed.contains(part), "{part} is not in {printed}");
    }
    for printed in [printed, account.to_string(), shown(world, &["account", "list", "--json"]).await] {
        assert!(!printed.contains(&secret_key) && !printed.contains("secret"), "{printed}");
    }
}

async fn a_service_and_a_plan_are_shown(world: &World, s3uid: &str) {
    let listed = json_of(world, &["service", "list", "--account", s3uid]).await;
    let id = listed["services"][0]["id"].to_string();
    let service = json_of(world, &["service", "show", &id]).await;
    assert_eq!(service, listed["services"][0]);
    assert_eq!((&service["plan_version"], &service["payment_period"]), (&json!(1), &json!("1M")));
    let printed = shown(world, &["service", "show", &id]).await;
    assert!(printed.contains("9.80 EUR") && printed.contains("next invoice"), "{printed}");
    let plan = json_of(world, &["plan", "show", "1"]).await;
    assert_eq!((&plan["name"], &plan["overage_traffic"]), (&json!("Standard S3 Plan"), &json!("out")));
    assert_eq!(plan["rates"]["EUR"]["storage_overage_price_per_gb"], "0.05");
    let printed = shown(world, &["plan", "show", "1"]).await;
    assert!(printed.contains("1 version 1: Standard S3 Plan") && printed.contains("without a limit"), "{printed}");
}

#[tokio::test]
async fn customers_payments_and_tokens_are_listed() {
    let world = World::start_with(test_support::deployment::Settings::default(), &[]).await;
    let pay = ["payment", "add", "--customer", "1", "--amount", "12.50", "--currency", "EUR", "--reference", "bank 1"];
    shown(&world, &pay).await;
    let payments = json_of(&world, &["payment", "list", "--customer", "1"]).await;
    let payment = &payments["payments"][0];
    assert_eq!((&payment["amount"], &payment["reference"]), (&json!("12.50"), &json!("bank 1")));
    assert_eq!(json_of(&world, &["payment", "list", "--customer", "2"]).await["payments"], json!([]));
    assert!(shown(&world, &["payment", "list"]).await.contains("bank 1"));

    assert_eq!(all(&json_of(&world, &["customer", "list"]).await, "customers", "id"), [json!(1), json!(2)]);
    let customer = json_of(&world, &["customer", "show", "1"]).await;
    assert_eq!((&customer["email"], &customer["accounts"]), (&json!("alice@example.com"), &json!([])));
    let printed = shown(&world, &["customer", "show", "1"]).await;
    assert!(printed.contains("alice@example.com") && printed.contains("credit: -12.50 EUR"), "{printed}");

    let issue = ["token", "issue", "--customer", "2", "--ttl", "1h", "--description", "for the list"];
    let token = shown(&world, &issue).await;
    let valid = ["token", "list", "--customer", "2", "--valid"];
    let listed = json_of(&world, &valid).await;
    let newest = &listed["tokens"][0];
    assert_eq!((&newest["bearer"], &newest["description"]), (&json!("customer:2"), &json!("for the list")));
    let digest = text(&newest["digest"]);
    let printed = shown(&world, &["token", "list"]).await;
    assert!(printed.contains(&digest) && !printed.contains(token.trim()) && !listed.to_string().contains(token.trim()));
    shown(&world, &["token", "revoke", token.trim()]).await;
    assert!(!shown(&world, &valid).await.contains(&digest), "it was revoked");
    assert!(shown(&world, &["token", "list", "--customer", "2"]).await.contains(&digest));
    shown(&world, &["api-key", "issue", "--customer", "1", "--description", "backup"]).await;
    let keys = json_of(&world, &["api-key", "list"]).await;
    assert_eq!(all(&keys, "api_keys", "description"), [json!("backup")]);
    what_is_not_there_is_an_error(&world).await;
}

async fn what_is_not_there_is_an_error(world: &World) {
    let nobody = "0".repeat(32);
    for (arguments, complaint) in [
        (["account", "show", &nobody], format!("error: there is no account {nobody}\n")),
        (["bucket", "show", "nowhere"], "error: there is no bucket nowhere\n".to_owned()),
        (["service", "show", "4711"], "error: there is no service 4711\n".to_owned()),
        (["customer", "show", "4711"], "error: there is no customer 4711\n".to_owned()),
        (["plan", "show", "4711"], "error: there is no plan 4711\n".to_owned()),
    ] {
        assert_eq!(failure(world, &arguments).await, (1, complaint), "{arguments:?}");
    }
    let (code, complaint) = failure(world, &["account", "show", "nobody"]).await;
    assert!(code == 2 && complaint.contains("invalid value 'nobody'"), "{complaint}");
}
