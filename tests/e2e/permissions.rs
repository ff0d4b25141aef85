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

/// What the database says of each of these statements, in one session of this role.
async fn refusals(world: &World, role: &str, statements: &[String]) -> Vec<(String, String)> {
    const MARK: &str = "---";
    let mut psql = tokio::process::Command::new("psql");
    psql.arg(world.deployment.database_url_of(role).unwrap());
    for sql in statements {
        psql.args(["-c", &format!("\\warn {MARK}"), "-c", sql]);
    }
    let output = psql.output().await.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    let errors: Vec<_> = errors.split(MARK).skip(1).map(str::to_owned).collect();
    assert_eq!(errors.len(), statements.len(), "{errors:?}");
    statements.iter().cloned().zip(errors).collect()
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
        ("purser_billing", "SELECT history.make_partitions('2099-01-01', 1)"),
        ("purser_billing", "CREATE TABLE history.entries_2099_01 PARTITION OF history.entries DEFAULT"),
        ("purser_billing", "CREATE FUNCTION provisioner.f() RETURNS int LANGUAGE sql AS 'SELECT 1'"),
        ("purser_gateway", "CREATE VIEW shared.mine AS SELECT 1"),
    ] {
        let error = refused(&world, role, sql).await;
        assert!(error.contains("permission denied") || error.contains("must be owner"), "{role}: {sql}: {error}");
    }
    assert!(!database::psql(world.deployment.services(), world.deployment.name(), "SELECT 1").unwrap().is_empty());
}

const ROLES: [&str; 4] = ["purser_gateway", "purser_provisioner", "purser_metering", "purser_billing"];

#[tokio::test]
async fn no_role_reaches_beyond_its_database() {
    let world = World::start_with(Settings::default(), &[]).await;
    for role in ROLES {
        let other = if role == "purser_billing" { "purser_provisioner" } else { "purser_billing" };
        let mut statements = Vec::new();
        for sql in [
            "SELECT rolpassword FROM pg_authid",
            "SELECT passwd FROM pg_shadow",
            "SELECT pg_read_file('/etc/passwd')",
            "SELECT lo_import('/etc/passwd')",
            "COPY (SELECT 1) TO PROGRAM 'true'",
            "COPY pg_temp.x FROM '/etc/passwd'",
            "CREATE ROLE intruder SUPERUSER",
            "ALTER ROLE CURRENT_USER CREATEROLE",
            "CREATE DATABASE intruder",
            "CREATE SCHEMA intruder",
            "CREATE TEMP TABLE x (y int)",
            "CREATE EXTENSION dblink",
            "CREATE TABLE public.x (y int)",
            "ALTER SYSTEM SET log_statement = 'all'",
            "SET session_replication_role = replica",
            "SET SESSION AUTHORIZATION postgres",
            "SET ROLE postgres",
            &format!("SET ROLE {other}"),
            "ALTER TABLE history.entries DISABLE TRIGGER ALL",
            "DROP TRIGGER entries_append_only ON history.entries",
            "CREATE OR REPLACE FUNCTION history.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'postgres'",
            "SELECT * FROM _sqlx_migrations UNION SELECT * FROM history._sqlx_migrations",
        ] {
            statements.push(sql.to_owned());
        }
        for (sql, error) in refusals(&world, role, &statements).await {
            assert!(error.contains("ERROR") && !error.contains("syntax error"), "{role}: {sql}: {error}");
        }
    }
}

#[tokio::test]
async fn the_grants_are_no_more_than_the_design_says() {
    let world = World::start_with(Settings::default(), &[]).await;
    let nothing = [
        (
            "a role that may more than log in",
            "SELECT rolname FROM pg_roles WHERE rolname LIKE 'purser\\_%'
             AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolreplication OR rolbypassrls)",
        ),
        (
            "a role that is another's member",
            "SELECT member::regrole || ' in ' || roleid::regrole FROM pg_auth_members
             WHERE member::regrole::text LIKE 'purser\\_%'",
        ),
        (
            "a function that runs with its owner's rights",
            "SELECT oid::regprocedure FROM pg_proc WHERE prosecdef AND pronamespace::regnamespace::text
             IN ('auth', 'provisioner', 'metering', 'billing', 'history', 'shared', 'public')",
        ),
        (
            "something outside a role's own schema that it may write or read, but views and the history",
            "SELECT r.rolname || ' ' || p.privilege || ' ' || c.oid::regclass
             FROM pg_roles r, pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,
                  unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE', 'TRUNCATE', 'REFERENCES', 'TRIGGER']) p(privilege)
             WHERE r.rolname LIKE 'purser\\_%' AND c.relkind IN ('r', 'v', 'm', 'p', 'f') AND c.relowner <> r.oid
                 AND n.nspname IN ('auth', 'provisioner', 'metering', 'billing', 'history', 'shared', 'public')
                 AND has_table_privilege(r.oid, c.oid, p.privilege)
                 AND NOT (n.nspname = 'shared' AND p.privilege = 'SELECT')
                 AND NOT (c.relname = 'entries' AND n.nspname = 'history' AND p.privilege IN ('SELECT', 'INSERT'))",
        ),
        (
            "a view that the gateway reads beside the state of commands",
            "SELECT c.oid::regclass FROM pg_class c WHERE c.relnamespace = 'shared'::regnamespace AND c.relkind = 'v'
             AND has_table_privilege('purser_gateway', c.oid, 'SELECT') AND c.relname <> 'commands'",
        ),
        (
            "a secret in a view that others read",
            "SELECT table_name || '.' || column_name FROM information_schema.columns WHERE table_schema = 'shared'
             AND column_name ~ 'sealed|sha256|secret|password|token' AND column_name <> 'is_secret'",
        ),
    ];
    for (what, sql) in nothing {
        assert_eq!(world.sql(sql).await, "", "{what}");
    }
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

#[tokio::test]
async fn what_was_booked_stays() {
    let world = World::start_with(Settings::default(), &[]).await;
    for (table, column) in [
        ("documents", "number"),
        ("document_lines", "position"),
        ("payments", "amount"),
        ("ledger_transactions", "kind"),
        ("ledger_entries", "amount"),
        ("settlements", "amount"),
    ] {
        for sql in [
            format!("UPDATE billing.{table} SET {column} = {column}"),
            format!("DELETE FROM billing.{table}"),
            format!("TRUNCATE billing.{table} CASCADE"),
        ] {
            let error = refused(&world, "purser_billing", &sql).await;
            assert!(error.contains("is append-only"), "{sql}: {error}");
        }
    }
}
