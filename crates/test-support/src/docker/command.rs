//! Programs that are run to their end.

use std::env;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Whether a program is in `PATH` or where only root has it there.
pub(super) fn exists(program: &str) -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    let mut folders = env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]);
    folders.any(|folder| folder.join(program).is_file())
}

/// Whether a command can be run and ends well; what it says is of no interest.
pub(super) fn succeeds(mut command: Command) -> bool {
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// Runs a command that must succeed; what it said is in the error.
pub fn run(command: &mut Command, what: &str) -> Result<()> {
    output(command, what).map(drop)
}

/// [`run`], for what the command prints.
pub fn output(command: &mut Command, what: &str) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("{what}: can't be run"))?;
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    if !output.status.success() {
        let lines: Vec<_> = complained.lines().chain(said.lines()).collect();
        let end = lines.len().saturating_sub(25);
        bail!("{what} failed ({}):\n{}", output.status, lines[end..].join("\n"));
    }
    Ok(said.trim().to_owned())
}
