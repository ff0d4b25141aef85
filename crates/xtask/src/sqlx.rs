//! `cargo xtask sqlx`: the descriptions of all queries, in `.sqlx/`, from a scratch database with all migrations.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use clap::Args;
use test_support::database;
use test_support::services::{Services, Stack};
use uuid::Uuid;

use crate::services::interruptible_progress;
use crate::workspace;

const DIR: &str = ".sqlx";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail where the files are not what they would be
    #[arg(long)]
    check: bool,
}

pub(crate) async fn run(arguments: Arguments) -> Result<()> {
    let stack = Arc::new(Stack::workspace()?);
    let progress = interruptible_progress();
    let services = tokio::task::spawn_blocking(move || stack.up(&progress)).await.context("the start panicked")??;
    let name = format!("sqlx_{}", Uuid::new_v4().simple());
    database::create(&services, &name)?;
    let described = describe(&services, &name).await;
    database::drop(&services, &name)?;
    let fresh = described?;

    let dir = workspace::root().join(DIR);
    let (old, new) = (contents(&dir)?, contents(fresh.path())?);
    if old == new {
        eprintln!("{DIR}: {} queries, nothing changed", new.len());
        return Ok(());
    }
    if arguments.check {
        bail!("{DIR} is not what the queries and migrations say; refresh it with `cargo xtask sqlx`");
    }
    fs::create_dir_all(&dir)?;
    for file in old.keys().filter(|file| !new.contains_key(*file)) {
        fs::remove_file(dir.join(file))?;
    }
    for (file, text) in &new {
        fs::write(dir.join(file), text)?;
    }
    eprintln!("{DIR}: {} queries, before {}", new.len(), old.len());
    Ok(())
}

/// Compiles everything against a migrated database; sqlx's macros write what they learn into the returned folder.
async fn describe(services: &Services, database: &str) -> Result<tempfile::TempDir> {
    for sql in migrations()? {
        database::psql(services, database, &sql)?;
    }
    let target_dir = workspace::root().join("target/sqlx");
    let target_dir = target_dir.to_string_lossy();
    // Only a macro that is expanded asks the database.
    let mut clean = workspace::cargo(&["clean", "--quiet", "--target-dir", &target_dir]);
    for package in packages_with_queries()? {
        clean.args(["--package", &package]);
    }
    workspace::run(clean, "cargo clean").await?;
    let fresh = tempfile::tempdir()?;
    let url = database::url(services, database)?;
    let separator = if url.contains('?') { '&' } else { '?' };
    // The tables that every role has are the same in each schema: any one will do.
    let url = format!("{url}{separator}options=-c%20search_path%3Dprovisioner");
    let mut check =
        workspace::cargo(&["check", "--workspace", "--all-targets", "--quiet", "--target-dir", &target_dir]);
    check.env("DATABASE_URL", url).env("SQLX_OFFLINE", "false").env("SQLX_OFFLINE_DIR", fresh.path());
    workspace::run(check, "cargo check").await?;
    Ok(fresh)
}

/// Every set of migrations as its role runs it, in the order in which `purser migrate` does.
fn migrations() -> Result<Vec<String>> {
    let mut texts = vec![
        read_file("crates/purser/migrations/bootstrap.sql")?,
        format!("SET search_path = history;\n{}", read("crates/history/migrations/log")?),
    ];
    for role in ["provisioner", "metering", "billing"] {
        let (journal, own) = (read("crates/history/migrations/journal")?, read(&format!("crates/{role}/migrations"))?);
        texts.push(format!("SET ROLE purser_{role};\nSET search_path = {role};\n{journal}\n{own}"));
    }
    texts.push(format!("SET ROLE purser_gateway;\nSET search_path = auth;\n{}", read("crates/gateway/migrations")?));
    texts.push(read_file("crates/purser/migrations/views.sql")?);
    Ok(texts)
}

fn read_file(path: &str) -> Result<String> {
    fs::read_to_string(workspace::root().join(path)).with_context(|| format!("reading {path}"))
}

/// All SQL files of a folder, by name.
fn read(dir: &str) -> Result<String> {
    let mut text = String::new();
    for (_, sql) in contents(&workspace::root().join(dir))? {
        writeln!(text, "{sql}")?;
    }
    Ok(text)
}

/// The packages that use sqlx.
fn packages_with_queries() -> Result<Vec<String>> {
    let mut packages = Vec::new();
    for entry in fs::read_dir(workspace::root().join("crates"))? {
        let dir = entry?.path();
        let uses_sqlx = fs::read_to_string(dir.join("Cargo.toml")).is_ok_and(|text| text.contains("\nsqlx."));
        if let (true, Some(name)) = (uses_sqlx, dir.file_name()) {
            packages.push(name.to_string_lossy().into_owned());
        }
    }
    Ok(packages)
}

/// The files of a folder with their texts; none where it doesn't exist.
fn contents(dir: &Path) -> Result<BTreeMap<PathBuf, String>> {
    let mut files = BTreeMap::new();
    let Ok(entries) = fs::read_dir(dir) else { return Ok(files) };
    for entry in entries {
        let path = entry?.path();
        let text = fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))?;
        files.insert(path.file_name().context("a file has a name")?.into(), text);
    }
    Ok(files)
}
