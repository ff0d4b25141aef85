//! What all deployments of this machine share: ports, locks and derived passwords.

use std::fs::{self, File};
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;

use anyhow::{Context, Result};
use nix::unistd::Uid;
use sha2::{Digest, Sha256};

/// Below the services' own ports and Linux's range for outgoing connections.
const PORTS: std::ops::Range<u16> = 10_000..15_000;

/// A port that no other deployment takes as long as this lives, also while nothing listens there.
#[derive(Debug)]
pub struct PortLease {
    port: u16,
    _lock: File,
}

impl PortLease {
    /// A free port on loopback.
    pub fn take() -> Result<Self> {
        let count = PORTS.end - PORTS.start;
        // Where parallel searches begin at different places they rarely meet.
        let start = rand::random::<u16>() % count;
        for port in (0..count).map(|step| PORTS.start + (start + step) % count) {
            let lock = open_lock(&format!("port-{port}"))?;
            if lock.try_lock().is_ok() && is_free(port) {
                return Ok(Self { port, _lock: lock });
            }
        }
        anyhow::bail!("no free port from {} to {} on 127.0.0.1", PORTS.start, PORTS.end - 1)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

/// Waits for a lock that one process of this machine has at a time; released when the file is dropped.
pub(super) async fn lock(name: &'static str) -> Result<File> {
    let wait = move || {
        let file = open_lock(name)?;
        file.lock().with_context(|| format!("waiting for the lock {name}"))?;
        Ok(file)
    };
    tokio::task::spawn_blocking(wait).await.context("locking panicked")?
}

fn open_lock(name: &str) -> Result<File> {
    let dir: PathBuf = std::env::temp_dir().join(format!("purser-locks-{}", Uid::effective()));
    fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    let path = dir.join(name);
    File::create(&path).with_context(|| format!("creating {}", path.display()))
}

/// A password for `user` that everybody who knows the administrator's derives alike.
pub(super) fn derived_password(administrator: &str, user: &str) -> String {
    hex::encode(Sha256::digest(format!("{user}\n{administrator}")))[..40].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn leased_ports_differ_and_come_back() {
        let leases: Vec<_> = (0..20).map(|_| PortLease::take().expect("a port")).collect();
        let mut ports: Vec<_> = leases.iter().map(PortLease::port).collect();
        ports.sort_unstable();
        ports.dedup();
        assert_eq!(ports.len(), leases.len());
        let name = format!("port-{}", ports[0]);
        assert!(open_lock(&name).expect("a file").try_lock().is_err());
        drop(leases);
        assert!(open_lock(&name).expect("a file").try_lock().is_ok());
    }

    #[test]
    fn passwords_depend_on_both() {
        assert_eq!(derived_password("a", "u"), derived_password("a", "u"));
        assert_ne!(derived_password("a", "u"), derived_password("b", "u"));
        assert_ne!(derived_password("a", "u"), derived_password("a", "v"));
    }
}
