//! The peers' libraries under `target/bench-peers/`, in the very versions that `tests/bench-peers/` names. Nothing of them
//! is installed anywhere else, but for the Debian packages with Python and Node.js themselves.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use test_support::services::{Progress, packages};
use tokio::process::Command;

/// What is installed, noted beside it.
const INSTALLED: &str = "installed";

/// Libraries that are there.
pub(super) struct Installation {
    /// Where the scripts are.
    scripts: PathBuf,
    dir: PathBuf,
}

impl Installation {
    /// Installs what is missing or of another version; says so.
    pub(super) async fn find_or_make() -> Result<Self> {
        let crate_dir = Path::new(env!("CARGO_MANIFEST_DIR"));
        let root = crate_dir.ancestors().nth(2).unwrap_or(crate_dir);
        let made = Self { scripts: root.join("tests/bench-peers"), dir: root.join("target/bench-peers") };
        fs::create_dir_all(&made.dir).with_context(|| format!("creating {}", made.dir.display()))?;
        let log = made.log("apt");
        let install = move || {
            let missing = [packages::missing_for_python(), packages::missing_for_node()].concat();
            packages::install(&missing, &log, &Progress::new(|line| eprintln!("{line}")))
        };
        tokio::task::spawn_blocking(install).await.context("the installation panicked")??;
        made.install_python_libraries().await?;
        made.install_node_libraries().await?;
        Ok(made)
    }

    /// A script as a process, with its libraries.
    pub(super) fn command(&self, script: &str) -> Command {
        let mut command = if Path::new(script).extension().is_some_and(|extension| extension == "py") {
            let mut python = Command::new(self.python());
            python.env("PYTHONDONTWRITEBYTECODE", "1");
            python
        } else {
            let mut node = Command::new("node");
            node.env("NODE_PATH", self.dir.join("node/node_modules"));
            node
        };
        command.arg(self.scripts.join(script));
        command
    }

    /// Where a process says what is wrong.
    pub(super) fn log(&self, name: &str) -> PathBuf {
        self.dir.join(format!("{name}.log"))
    }

    fn python(&self) -> PathBuf {
        self.dir.join("python/bin/python")
    }

    async fn install_python_libraries(&self) -> Result<()> {
        let (dir, requirements) = (self.dir.join("python"), self.scripts.join("requirements.txt"));
        let Some(wanted) = wanted(&dir, &requirements)? else { return Ok(()) };
        eprintln!("installing oslo.messaging and Celery from PyPI in {}", dir.display());
        let mut venv = Command::new("python3");
        run(venv.args(["-m", "venv", "--clear"]).arg(&dir), "`python3 -m venv`").await?;
        let mut pip = Command::new(self.python());
        pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "-r"]);
        run(pip.arg(&requirements), "`pip install`").await?;
        note(&dir, &wanted)
    }

    async fn install_node_libraries(&self) -> Result<()> {
        let (dir, lock) = (self.dir.join("node"), self.scripts.join("package-lock.json"));
        let Some(wanted) = wanted(&dir, &lock)? else { return Ok(()) };
        eprintln!("installing amqplib from npm in {}", dir.display());
        fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
        for file in ["package.json", "package-lock.json"] {
            fs::copy(self.scripts.join(file), dir.join(file)).with_context(|| format!("copying {file}"))?;
        }
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&dir);
        run(&mut npm, "`npm ci`").await?;
        note(&dir, &wanted)
    }
}

/// The text of the list of what is wanted; `None` where that is installed in `dir`.
fn wanted(dir: &Path, list: &Path) -> Result<Option<String>> {
    let wanted = fs::read_to_string(list).with_context(|| format!("reading {}", list.display()))?;
    let installed = fs::read_to_string(dir.join(INSTALLED)).is_ok_and(|installed| installed == wanted);
    Ok((!installed).then_some(wanted))
}

fn note(dir: &Path, installed: &str) -> Result<()> {
    fs::write(dir.join(INSTALLED), installed).with_context(|| format!("noting what is installed in {}", dir.display()))
}

async fn run(command: &mut Command, what: &str) -> Result<()> {
    let output = command.output().await.with_context(|| format!("running {what}"))?;
    let (printed, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success(), "{what} failed\n{printed}{errors}");
    Ok(())
}
