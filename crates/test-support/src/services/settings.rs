//! Where a stack of services lives, its ports and its passwords: chosen once, then kept.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::unistd::Uid;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::process::{make_dir, write_private};

/// Below Linux's range for outgoing connections (32768 and up), so that none of those takes a port while we are down.
const PORTS_FIRST: u16 = 15_000;
const PORT_BLOCKS: u16 = 270;
const PORTS_PER_BLOCK: u16 = 64;
const CEPH_OSD_OFFSET: u16 = 16;

/// The longest data folder that leaves room for a socket's name (a socket's path has at most 107 bytes).
const DATA_DIR_LENGTH_MAX: usize = 70;

/// The folders of one stack.
#[derive(Debug, Clone)]
pub(crate) struct Layout {
    /// `services.json`, `settings.json` and the lock.
    pub(crate) dev_dir: PathBuf,
    /// What the services write: one folder each.
    pub(crate) data_dir: PathBuf,
    /// Short, and different for each `dev_dir`.
    pub(crate) id: String,
}

impl Layout {
    /// The layout of a stack in `dev_dir`, which is made where it doesn't exist.
    pub(crate) fn at(dev_dir: &Path) -> Result<Self> {
        make_dir(dev_dir, None, 0o755)?;
        let dev_dir = dev_dir.canonicalize().with_context(|| format!("finding {}", dev_dir.display()))?;
        let id = Uuid::new_v5(&Uuid::NAMESPACE_URL, dev_dir.as_os_str().as_encoded_bytes()).simple().to_string();
        let id = id[..8].to_owned();
        // RabbitMQ and PostgreSQL refuse to run as root; as other users they can't go below a folder like /root.
        let reachable = !Uid::effective().is_root() || others_can_enter(&dev_dir);
        let data_dir = if reachable && dev_dir.as_os_str().len() <= DATA_DIR_LENGTH_MAX {
            dev_dir.clone()
        } else {
            own_dir(PathBuf::from(format!("/var/tmp/purser-{id}")))?
        };
        Ok(Self { dev_dir, data_dir, id })
    }
}

/// Whether every folder on the way lets everybody pass.
fn others_can_enter(dir: &Path) -> bool {
    dir.ancestors().all(|folder| fs::metadata(folder).is_ok_and(|meta| meta.permissions().mode() & 0o001 != 0))
}

/// Makes `dir` in a folder that everybody writes to; refuses one that somebody else made there.
fn own_dir(dir: PathBuf) -> Result<PathBuf> {
    if let Err(error) = fs::create_dir(&dir)
        && error.kind() != std::io::ErrorKind::AlreadyExists
    {
        return Err(error).with_context(|| format!("creating {}", dir.display()));
    }
    let meta = fs::symlink_metadata(&dir)?;
    if !meta.is_dir() || meta.uid() != Uid::effective().as_raw() {
        bail!("{} belongs to somebody else; remove it", dir.display());
    }
    fs::set_permissions(&dir, fs::Permissions::from_mode(0o755))?;
    Ok(dir)
}

/// What a stack keeps for its whole life, in `settings.json` (mode 0600).
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Settings {
    port_base: u16,
    pub(crate) rabbitmq_password: String,
    pub(crate) postgres_password: String,
    pub(crate) rgw_access_key: String,
    pub(crate) rgw_secret_key: String,
}

impl Settings {
    /// The stack's settings; made and saved the first time.
    pub(crate) fn load_or_make(layout: &Layout) -> Result<Self> {
        if let Some(settings) = Self::load(layout)? {
            return Ok(settings);
        }
        let settings = Self::generate(free_port_block(&layout.id)?);
        write_private(&layout.dev_dir.join("settings.json"), None, 0o600, &serde_json::to_string_pretty(&settings)?)?;
        Ok(settings)
    }

    /// The stack's settings; `None` where it was never started.
    pub(crate) fn load(layout: &Layout) -> Result<Option<Self>> {
        let path = layout.dev_dir.join("settings.json");
        match fs::read_to_string(&path) {
            Ok(text) => {
                let settings = serde_json::from_str(&text).with_context(|| format!("reading {}", path.display()))?;
                Ok(Some(settings))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error).with_context(|| format!("reading {}", path.display())),
        }
    }

    fn generate(port_base: u16) -> Self {
        let secret = || Uuid::new_v4().simple().to_string();
        Self {
            port_base,
            rabbitmq_password: secret(),
            postgres_password: secret(),
            rgw_access_key: format!("PURSER{}", &secret().to_uppercase()[..14]),
            rgw_secret_key: format!("{}{}", secret(), &secret()[..8]),
        }
    }

    pub(crate) fn amqp_port(&self) -> u16 {
        self.port_base
    }
    pub(crate) fn rabbitmq_api_port(&self) -> u16 {
        self.port_base + 1
    }
    pub(crate) fn erlang_dist_port(&self) -> u16 {
        self.port_base + 2
    }
    pub(crate) fn epmd_port(&self) -> u16 {
        self.port_base + 3
    }
    pub(crate) fn postgres_port(&self) -> u16 {
        self.port_base + 4
    }
    pub(crate) fn rgw_port(&self) -> u16 {
        self.port_base + 5
    }
    pub(crate) fn ceph_mon_port(&self) -> u16 {
        self.port_base + 6
    }
    pub(crate) fn rabbitmq_metrics_port(&self) -> u16 {
        self.port_base + 7
    }
    /// The first and last of the ports that the OSD picks from.
    pub(crate) fn ceph_osd_ports(&self) -> (u16, u16) {
        (self.port_base + CEPH_OSD_OFFSET, self.port_base + PORTS_PER_BLOCK - 1)
    }
}

/// The first of [`PORTS_PER_BLOCK`] free ports; the search starts where `id` points, so that stacks rarely meet.
fn free_port_block(id: &str) -> Result<u16> {
    let seed = u32::from_str_radix(id, 16).context("a stack's id is 8 hex characters")?;
    let start = u16::try_from(seed % u32::from(PORT_BLOCKS))?;
    (0..PORT_BLOCKS)
        .map(|step| PORTS_FIRST + (start + step) % PORT_BLOCKS * PORTS_PER_BLOCK)
        .find(|base| (*base..base + PORTS_PER_BLOCK).all(is_free))
        .with_context(|| format!("no {PORTS_PER_BLOCK} free ports in a row on 127.0.0.1 from {PORTS_FIRST} on"))
}

fn is_free(port: u16) -> bool {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn settings_are_made_once_and_readable_by_their_owner_only() {
        let dir = tempfile::tempdir().expect("a folder");
        let layout = Layout::at(dir.path()).expect("a layout");
        assert!(Settings::load(&layout).expect("nothing there").is_none());
        let made = Settings::load_or_make(&layout).expect("made");
        let again = Settings::load_or_make(&layout).expect("read");
        assert_eq!((made.amqp_port(), &made.rgw_secret_key), (again.amqp_port(), &again.rgw_secret_key));
        assert_eq!((made.rgw_access_key.len(), made.rgw_secret_key.len()), (20, 40));
        let saved = fs::metadata(layout.dev_dir.join("settings.json")).expect("saved");
        assert_eq!(saved.permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_busy_block_of_ports_is_passed_over() {
        let first = free_port_block("00000000").expect("a block");
        let _busy = TcpListener::bind((Ipv4Addr::LOCALHOST, first + 9)).expect("it was free");
        assert_ne!(free_port_block("00000000").expect("another block"), first);
    }

    #[test]
    fn a_folder_that_only_its_owner_enters_is_not_reachable() {
        let dir = tempfile::tempdir().expect("a folder");
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o700)).expect("mode");
        assert!(!others_can_enter(&dir.path().join("target")));
        assert!(others_can_enter(Path::new("/usr/bin")));
    }
}
