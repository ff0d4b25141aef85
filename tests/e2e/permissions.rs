//! Grants enforce what the design promises: own schema only, and a history that nobody changes.

use test_support::database;
use test_support::deployment::Settings;
use test_support::world::World;

use crate::order;

/// Whether the database refuses `sql` to this role, and why.
async fn refused(world: &World, role: &str, sql: &str) -> String {
    let url = world.deployment.database_url_of(role).unwrap();
    let output = tokio::process::Command::new("psql").args([&url, "-c", sql]).output().await.unwrap();
    assert!(!output.status.success(), "{role} may {sql}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_role_writes_its_own_schema_only() {
    let world = World::start_with(Settings::default(), &[]).await;
    for (role, sql) in [
        ("purser_billing", "SELECT * FROM provisioner.accounts"),
        ("purser_billing", "SELECT * FROM auth.tokens"),
        ("purser_billing", "UPDATE metering.bucket_usage SET usage_bytes = 0"),
        ("purser_metering", "SELECT sealed_secret_key FROM provisioner.accounts"),
        ("purser_metering", "DELETE FROM billing.services"),
        ("purser_provisioner", "SELECT * FROM billing.customers"),
        ("purser_provisioner", "INSERT INTO billing.services DEFAULT VALUES"),
        ("purser_gateway", "SELECT * FROM provisioner.accounts"),
        ("purser_gateway", "SELECT * FROM history.entries"),
        ("purser_gateway", "CREATE TABLE public.x (y int)"),
        ("purser_metering", "DELETE FROM shared.accounts"),
    ] {
        let error = refused(&world, role, sql).await;
        assert!(error.contains("permission denied"), "{role}: {sql}: {error}");
    }
    assert!(!database::psql(world.deployment.services(), world.deployment.name(), "SELECT 1").unwrap().is_empty());
}

#[tokio::test]
async fn the_history_is_append_only_for_everybody() {
    let world = World::start().await;
    order(&world).await;
    for sql in ["UPDATE history.entries SET actor = 'x'", "DELETE FROM history.entries", "TRUNCATE history.entries"] {
        for role in ["purser_billing", "purser_provisioner", "purser_metering"] {
            assert!(refused(&world, role, sql).await.contains("permission denied"), "{role}: {sql}");
        }
        let owner = world.deployment.sql(sql).await.unwrap_err();
        assert!(format!("{owner:#}").contains("the history is append-only"), "{owner:#}");
    }
}
