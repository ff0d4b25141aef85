//! `cargo xtask up`: the whole stack in the background.

use std::time::Instant;

use anyhow::Result;

use crate::dev::{self, Dev};
use crate::services::interruptible_progress;

/// Returns when everything is ready; what runs already from this very build is left alone.
pub(crate) async fn run() -> Result<()> {
    let started = Instant::now();
    let mut dev = Dev::at_rest()?;
    dev.start(&interruptible_progress()).await?;
    eprintln!("all ready in {:.1} s", started.elapsed().as_secs_f64());
    println!("gateway     {}", dev.deployment()?.gateway_url());
    println!("addresses and tokens:  . {}", dev::env_file().display());
    println!("stop it with:          cargo xtask down");
    Ok(())
}
