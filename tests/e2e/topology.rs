//! `purser topology`: what the broker should have, compared with what it has.

use serde_json::{Value, json};
use test_support::deployment::Settings;
use test_support::world::World;

use crate::text;

/// Runs the comparison; returns its exit code and what it told, sorted.
async fn check(world: &World) -> (i32, Vec<String>) {
    let output = world.deployment.purser(&["topology", "check", "--json"]).await.unwrap();
    let drifts: Vec<Value> = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)));
    let mut told: Vec<_> =
        drifts.iter().map(|drift| format!("{} {}", text(&drift["kind"]), text(&drift["what"]))).collect();
    told.sort();
    assert!(drifts.iter().all(|drift| !text(&drift["remedy"]).is_empty()), "{drifts:?}");
    (output.status.code().unwrap(), told)
}

#[tokio::test]
async fn a_broker_that_lacks_something_is_told_what_and_how_it_is_mended() {
    let world = World::start_with(Settings::default(), &[]).await;
    let (vhost, management) = (world.deployment.name().to_owned(), world.management());
    let printed = world.deployment.purser_ok(&["topology", "definitions"]).await.unwrap();
    let definitions: Value = serde_json::from_str(&printed).unwrap();
    management.import_definitions(&vhost, &definitions).await.unwrap();
    assert_eq!(check(&world).await, (0, vec![]));
    let words = world.deployment.purser_ok(&["topology", "check"]).await.unwrap();
    assert_eq!(words.trim(), "the broker has what it should have");

    management.delete_queue(&vhost, "s3.billing.queries").await.unwrap();
    management.bind_queue(&vhost, "s3.events", "s3.billing", "order.placed").await.unwrap();
    let policy =
        json!({ "pattern": "^s3\\.history$", "apply-to": "queues", "definition": { "max-length-bytes": 1000 } });
    management.put_policy(&vhost, "purser-history", &policy).await.unwrap();
    let everything = test_support::broker::Permissions::ALL;
    management.set_permissions(&vhost, "purser-metering", everything).await.unwrap();

    let (code, told) = check(&world).await;
    assert_eq!(code, 1);
    assert!(told.contains(&"missing queue s3.billing.queries".to_owned()), "{told:?}");
    assert!(told.contains(&"missing binding s3.queries -> s3.billing.queries by list_plans".to_owned()), "{told:?}");
    assert!(told.contains(&"unexpected binding s3.events -> s3.billing by order.placed".to_owned()), "{told:?}");
    assert!(told.contains(&"changed policy purser-history".to_owned()), "{told:?}");
    assert!(told.contains(&"changed permissions of purser-metering".to_owned()), "{told:?}");
}

#[test]
fn what_needs_no_configuration_works_without() {
    for arguments in
        [["topology", "definitions"], ["completions", "bash"], ["completions", "zsh"], ["completions", "fish"]]
    {
        let output = std::process::Command::new(env!("CARGO_BIN_EXE_purser"))
            .args(arguments)
            .env("PURSER_CONFIG", "/nonexistent")
            .output()
            .unwrap();
        let printed = String::from_utf8(output.stdout).unwrap();
        let word = if arguments[0] == "topology" { "s3.billing" } else { "reconcile" };
        assert!(output.status.success() && printed.contains(word), "{arguments:?}: {printed}");
    }
}

#[tokio::test]
async fn a_broker_that_cannot_be_asked_is_an_error_of_its_own() {
    let variables = vec![("PURSER__AMQP__MANAGEMENT_URL".to_owned(), "http://127.0.0.1:1".to_owned())];
    let world = World::start_with(Settings { variables, ..Settings::default() }, &[]).await;
    let output = world.deployment.purser(&["topology", "check"]).await.unwrap();
    assert_eq!(output.status.code(), Some(2));
    let error = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(error.contains("http://127.0.0.1:1") && error.contains("amqp.management_url"), "{error}");
}
