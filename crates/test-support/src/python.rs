//! Python with packages from `PyPI`, in an environment of its own.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

/// What is installed, noted in the environment that it is installed in.
const INSTALLED: &str = "installed-requirements.txt";

/// The Python of the environment in `dir`, which has what the file `requirements` names; made where it is missing or
/// has something else. Fails where there is no python3 with venv, or `PyPI` doesn't answer.
pub fn with(requirements: &Path, dir: &Path) -> Result<PathBuf> {
    let wanted = fs::read(requirements).with_context(|| format!("reading {}", requirements.display()))?;
    let python = dir.join("bin/python");
    if fs::read(dir.join(INSTALLED)).ok().as_ref() != Some(&wanted) {
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(dir), "`python3 -m venv`")?;
        let mut pip = Command::new(&python);
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r"]);
        run(pip.arg(requirements), "`pip install`")?;
        fs::write(dir.join(INSTALLED), wanted).context("noting what is installed")?;
    }
    Ok(python)
}

fn run(command: &mut Command, what: &str) -> Result<()> {
    let output = command.output();
    let output =
        output.with_context(|| format!("{what} can't be run: install python3 and python3-venv, 3.10 or newer"))?;
    if !output.status.success() {
        bail!("{what} failed\n{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    }
    Ok(())
}
