//! Private, real RabbitMQ, PostgreSQL and Ceph RGW, kept under `<workspace>/target/dev/` and shared by all tests.
//!
//! `cargo xtask services up` starts them with [`Stack::up`]; they outlive it, and a second start finds them running.
//! Tests read their addresses with [`Services::load`]. A service whose address is in the environment (see
//! [`external`]) is used as it is, and nothing private is started for it.

mod ceph;
mod ceph_config;
pub mod external;
pub mod packages;
mod postgres;
pub(crate) mod process;
mod progress;
mod rabbitmq;
mod settings;
mod stack;
pub mod tls;

use std::env;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use external::External;
pub use progress::Progress;
pub use stack::{Stack, Status};

/// The services that Purser needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Service {
    /// The message broker.
    RabbitMq,
    /// The database.
    Postgres,
    /// The object store, with its gateway (radosgw).
    Ceph,
}

impl Service {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::RabbitMq, Self::Postgres, Self::Ceph];
}

impl fmt::Display for Service {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::RabbitMq => "RabbitMQ",
            Self::Postgres => "PostgreSQL",
            Self::Ceph => "Ceph",
        })
    }
}

/// Addresses and administrators' credentials of the three services. `Debug` shows no secret.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Services {
    /// The broker's host.
    pub amqp_host: String,
    /// The broker's AMQP port.
    pub amqp_port: u16,
    /// A broker user with the tag `administrator`.
    pub rabbitmq_admin_user: String,
    /// Its password.
    pub rabbitmq_admin_password: String,
    /// The management API without `/api`: `http://127.0.0.1:15672`.
    pub rabbitmq_api_url: String,
    /// A PostgreSQL superuser's URL over TCP.
    pub postgres_superuser_url: String,
    /// The same over the Unix socket, which is faster; the TCP URL again where there is no socket.
    pub postgres_socket_url: String,
    /// radosgw, for S3 and for the Admin Ops API (`/admin`).
    pub rgw_url: String,
    /// An access key with the caps `users`, `buckets`, `metadata`, `usage` and `zone`.
    pub rgw_access_key: String,
    /// Its secret key.
    pub rgw_secret_key: String,
    /// `host:port` of the broker as radosgw reaches it, where that isn't our own way to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amqp_address_of_rgw: Option<String>,
    /// Broker and database speak TLS only, with certificates of the authority in this file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tls_ca_file: Option<PathBuf>,
}

impl fmt::Debug for Services {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Services")
            .field("amqp", &format_args!("{}:{}", self.amqp_host, self.amqp_port))
            .field("rabbitmq_api_url", &self.rabbitmq_api_url)
            .field("rgw_url", &self.rgw_url)
            .finish_non_exhaustive()
    }
}

impl Services {
    /// The running services: those in the environment, the rest from `services.json`.
    ///
    /// The file is the one that `PURSER_SERVICES_FILE` names, else `target/dev/services.json` in the folder of the
    /// package under test, the current folder, or the nearest folder above that has one. Fails where services are
    /// missing, and says how to start them.
    pub fn load() -> Result<Self> {
        let external = External::from_env(|name| env::var(name).ok())?;
        if let Some(services) = external.complete() {
            return Ok(services);
        }
        let path = match env::var_os("PURSER_SERVICES_FILE") {
            Some(path) => PathBuf::from(path),
            None => find_file().context("no services are running here: start them with `cargo xtask services up`")?,
        };
        Ok(external.overlay(Self::read(&path)?))
    }

    /// Reads one `services.json`.
    pub fn read(path: &Path) -> Result<Self> {
        let hint = || format!("reading {}: start the services with `cargo xtask services up`", path.display());
        let text = fs::read_to_string(path).with_context(hint)?;
        serde_json::from_str(&text).with_context(hint)
    }
}

/// The nearest `target/dev/services.json`, from the package under test or the current folder upwards.
fn find_file() -> Option<PathBuf> {
    let starts = [env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from), env::current_dir().ok()];
    starts.iter().flatten().find_map(|start| find_file_above(start))
}

fn find_file_above(start: &Path) -> Option<PathBuf> {
    start.ancestors().map(|folder| folder.join("target/dev/services.json")).find(|path| path.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_file_above_is_found() {
        let dir = tempfile::tempdir().expect("a folder");
        let package = dir.path().join("crates/some");
        fs::create_dir_all(&package).expect("folders");
        assert_eq!(find_file_above(&package), None);
        fs::create_dir_all(dir.path().join("target/dev")).expect("folders");
        let file = dir.path().join("target/dev/services.json");
        fs::write(&file, "{}").expect("a file");
        assert_eq!(find_file_above(&package), Some(file));
    }

    #[test]
    fn a_missing_file_says_what_to_type() {
        let error = Services::read(Path::new("/nonexistent/services.json")).unwrap_err();
        assert!(error.to_string().contains("`cargo xtask services up`"), "{error}");
    }

    #[test]
    fn debug_output_shows_no_secret() {
        let services = Services {
            amqp_host: "127.0.0.1".into(),
            amqp_port: 5672,
            rabbitmq_admin_user: "admin".into(),
            rabbitmq_admin_password: "hidden".into(),
            rabbitmq_api_url: "http://127.0.0.1:15672".into(),
            postgres_superuser_url: "postgres://postgres:hidden@127.0.0.1/postgres".into(),
            postgres_socket_url: "postgres://postgres:hidden@localhost/postgres?host=/run".into(),
            rgw_url: "http://127.0.0.1:7480".into(),
            rgw_access_key: "key".into(),
            rgw_secret_key: "hidden".into(),
            amqp_address_of_rgw: None,
            tls_ca_file: None,
        };
        let shown = format!("{services:?}");
        assert!(shown.contains("127.0.0.1:5672") && !shown.contains("hidden"), "{shown}");
    }
}
