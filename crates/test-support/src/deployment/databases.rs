//! A deployment's database. Tests copy a migrated template, which takes a tenth of the time that migrations take.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use url::Url;

use super::{Deployment, DeploymentConfig, Lifetime, PortLease, Ports, Settings, machine};
use crate::database;
use crate::services::Services;

/// The roles that `purser migrate` makes.
pub(super) const ROLES: [&str; 4] = ["gateway", "provisioner", "metering", "billing"];

const TEMPLATES_MAX: usize = 6;

/// Roles belong to the server: migrations that run at once would change the same rows.
const MIGRATION_LOCK: &str = "migrations";

/// A role's URL, with the password that it has on this server.
pub(super) fn url_of(services: &Services, database: &str, role: &str) -> Result<String> {
    let url =
        if services.tls_ca_file.is_some() { &services.postgres_superuser_url } else { &services.postgres_socket_url };
    let mut url = Url::parse(url).context("PostgreSQL's address is not a URL")?;
    let administrator = url.password().map_or_else(|| url.to_string(), str::to_owned);
    let password = machine::derived_password(&administrator, role);
    let set = url.set_username(role).and_then(|()| url.set_password(Some(&password)));
    set.map_err(|()| anyhow::anyhow!("PostgreSQL's address takes no user and password"))?;
    url.set_path(database);
    verify(&mut url, services);
    Ok(url.into())
}

/// Where the server speaks TLS, has it prove who it is.
pub(super) fn verify(url: &mut Url, services: &Services) {
    if let Some(file) = &services.tls_ca_file {
        url.query_pairs_mut().append_pair("sslmode", "verify-full").append_pair("sslrootcert", &file.to_string_lossy());
    }
}

/// Makes an empty database, unless it exists.
pub(super) async fn create_unless_there(deployment: &Deployment) -> Result<()> {
    let (services, name) = (deployment.services.clone(), deployment.config.name.clone());
    let create = move || {
        let found = format!("SELECT 1 FROM pg_database WHERE datname = '{name}'");
        if database::psql(&services, "postgres", &found)?.is_empty() {
            database::create(&services, &name)
        } else {
            Ok(())
        }
    };
    tokio::task::spawn_blocking(create).await.context("making the database panicked")?
}

/// Runs `purser migrate`.
pub(super) async fn migrate(deployment: &Deployment) -> Result<()> {
    let _lock = machine::lock(MIGRATION_LOCK).await?;
    deployment.purser_ok(&["migrate"]).await.map(drop)
}

/// Makes the database as a copy of a migrated one, which is made where this binary has none yet.
pub(super) async fn create_from_template(deployment: &Deployment) -> Result<()> {
    let services = deployment.services.clone();
    let template = format!("purser_template_{}", fingerprint(&deployment.config.purser_binary)?);
    {
        let _lock = machine::lock(MIGRATION_LOCK).await?;
        let found = format!("SELECT 1 FROM pg_database WHERE datname = '{template}'");
        if database::psql(&services, "postgres", &found)?.is_empty() {
            make_template(deployment, &template).await.context("migrating the template database")?;
        }
    }
    let name = deployment.config.name.clone();
    tokio::task::spawn_blocking(move || copy(&services, &template, &name)).await.context("copying panicked")?
}

/// Copies all but the database's own grants, which PostgreSQL leaves out.
fn copy(services: &Services, template: &str, name: &str) -> Result<()> {
    let roles = ROLES.map(|role| format!("purser_{role}")).join(", ");
    let sql = format!(
        "CREATE DATABASE {name} TEMPLATE {template};
         REVOKE ALL ON DATABASE {name} FROM PUBLIC;
         GRANT CONNECT ON DATABASE {name} TO {roles};"
    );
    database::psql(services, "postgres", &sql).map(std::mem::drop)
}

/// Migrates a draft and gives it its name when it is whole.
async fn make_template(deployment: &Deployment, template: &str) -> Result<()> {
    let services = &deployment.services;
    let draft = format!("{template}_draft");
    database::drop(services, &draft)?;
    database::create(services, &draft)?;
    let dir = tempfile::tempdir()?;
    let config = DeploymentConfig {
        name: draft.clone(),
        dir: dir.path().to_owned(),
        purser_binary: deployment.config.purser_binary.clone(),
        settings: Settings::default(),
    };
    let ports = Ports::Leased { gateway: PortLease::take()?, others: std::sync::Mutex::default() };
    let draft_deployment = Deployment { services: services.clone(), config, ports, lifetime: Lifetime::Template };
    draft_deployment.write_files()?;
    draft_deployment.purser_ok(&["migrate"]).await?;
    database::psql(services, "postgres", &format!("ALTER DATABASE {draft} RENAME TO {template}"))?;
    drop_old_templates(services)
}

/// Keeps the newest few: other working copies may use the same server.
fn drop_old_templates(services: &Services) -> Result<()> {
    let old = format!(
        "SELECT datname FROM pg_database WHERE datname ~ '^purser_template_[0-9a-f]+$' ORDER BY oid DESC OFFSET {TEMPLATES_MAX}"
    );
    for name in database::psql(services, "postgres", &old)?.lines() {
        database::drop(services, name)?;
    }
    Ok(())
}

/// Differs after each build: the binary holds the migrations.
fn fingerprint(binary: &Path) -> Result<String> {
    let metadata = fs::metadata(binary).with_context(|| format!("there is no program {}", binary.display()))?;
    let mut hasher = DefaultHasher::new();
    (metadata.ino(), metadata.len(), metadata.mtime(), metadata.mtime_nsec()).hash(&mut hasher);
    Ok(format!("{:016x}", hasher.finish()))
}
