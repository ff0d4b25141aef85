//! PHP as publisher: `tests/php/` against a whole Purser.

use std::process::Command;

use test_support::deployment::{FRONTEND_USER, Settings};
use test_support::world::{CUSTOMER_ID, World};

#[tokio::test]
async fn the_php_client_and_the_drop_in_work() {
    let settings = Settings::default();
    let reply_wait_seconds = settings.reply_wait_seconds.to_string();
    let world = World::start_with(settings, &["all"]).await;
    let mut php = Command::new("php");
    php.arg(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/php/run.php"))
        .env("PURSER_PHP_REQUIRE", "1")
        .env("PURSER_PHP_REPLY_WAIT_SECONDS", reply_wait_seconds)
        .env("PURSER_AMQP_URL", world.deployment.amqp_url(FRONTEND_USER))
        .env("PURSER_GATEWAY_URL", world.deployment.gateway_url())
        .env("PURSER_CUSTOMER_ID", CUSTOMER_ID.to_string())
        .env("PURSER_CUSTOMER_TOKEN", &world.customer_token)
        .env("PURSER_ADMIN_TOKEN", &world.admin_token);
    let run = tokio::task::spawn_blocking(move || php.output()).await.expect("no panic").expect("PHP runs");
    let (said, complained) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{said}\n{complained}");
}
