//! `purser health`: what a container's health check asks.

use serde_json::{Value, json};
use test_support::world::World;

async fn health(world: &World) -> (i32, Value, String) {
    let output = world.deployment.purser(&["health", "--json"]).await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let printed = serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {errors}"));
    (output.status.code().unwrap(), printed, errors)
}

#[tokio::test]
async fn a_document_says_whether_it_is_ready_also_when_nothing_answers() {
    let mut world = World::start().await;
    let (code, printed, errors) = health(&world).await;
    assert_eq!((code, &printed["is_ready"]), (0, &json!(true)), "{printed} {errors}");

    for process in &mut world.processes {
        process.stop().await.unwrap();
    }
    let (code, printed, errors) = health(&world).await;
    assert_eq!((code, &printed["is_ready"]), (1, &json!(false)), "{printed} {errors}");
    let silent = format!("{}/readyz doesn't answer", world.deployment.gateway_url());
    assert!(printed["detail"].as_str().unwrap().starts_with(&silent), "{printed}");
    assert!(errors.contains(&silent), "{errors}");
}
