//! Docker for tests: the one that works here, or a private one; Compose; and the images that `docker-compose.yml` names.
//!
//! What had to be downloaded or built stays in `target/compose` for the next time.

mod command;
mod compose;
mod engine;
mod images;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::Result;

use crate::services::Progress;
use engine::Engine;

pub use command::{output, run};
pub use images::Images;

/// A Docker that answers; a private one ends with this.
pub struct Docker {
    engine: Engine,
    dir: PathBuf,
    _lock: File,
}

impl Docker {
    /// The Docker that works here, else a private one. Fails where none can run, and says why.
    ///
    /// Waits while another process of this workspace has one: two at once would share their data.
    pub fn find_or_start(progress: &Progress) -> Result<Self> {
        let dir = workspace().join("target/compose");
        fs::create_dir_all(&dir)?;
        let lock = File::create(dir.join("lock"))?;
        lock.lock()?;
        Ok(Self { engine: Engine::find_or_start(&dir, progress)?, dir, _lock: lock })
    }

    /// The images of all services.
    pub fn images(&self, progress: &Progress) -> Result<Images> {
        Images::make(&self.engine, &self.dir, progress)
    }

    /// The images of all services, and one of `purser` with this program in it.
    pub fn images_with_purser(&self, binary: &Path, progress: &Progress) -> Result<Images> {
        self.images(progress)?.with_purser(&self.engine, &self.dir, binary, progress)
    }

    /// The command line of Compose: a program and its first arguments.
    pub fn compose(&self, progress: &Progress) -> Result<Vec<PathBuf>> {
        compose::find_or_fetch(&self.engine, &self.dir, progress)
    }

    /// Points a command that reads `DOCKER_HOST` at this Docker.
    pub fn address(&self, command: &mut Command) {
        self.engine.address(command);
    }
}

/// The workspace's folder.
fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}
