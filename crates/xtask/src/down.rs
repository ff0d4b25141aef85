//! `cargo xtask down`: stops what `up` has started.

use std::fs;

use anyhow::{Context, Result};
use test_support::deployment::{Background, ROLES};
use test_support::services::Stack;

use crate::dev;
use crate::services::interruptible_progress;

pub(crate) async fn run() -> Result<()> {
    let progress = interruptible_progress();
    let work = move || {
        let background = Background::at(&dev::dir());
        // The gateway first: nobody asks the others any more.
        for role in ROLES.into_iter().rev() {
            background.stop(role, &progress)?;
        }
        let _ = fs::remove_file(dev::env_file());
        Stack::workspace()?.down(&progress)
    };
    tokio::task::spawn_blocking(work).await.context("the command panicked")?
}
