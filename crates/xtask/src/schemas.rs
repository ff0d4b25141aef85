//! `cargo xtask schemas`: `proto-schemas/`, the description of every message and both APIs, from the types themselves.

mod aliases;
mod asyncapi;
mod contract;
mod json_schema;
mod openapi;
mod page;
mod samples;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use messages::Encoding;
use serde_json::Value;

use crate::workspace;
use contract::Contract;

const DIR: &str = "proto-schemas";

#[derive(Args)]
pub(crate) struct Arguments {
    /// Change nothing; fail where the files are not what they would be
    #[arg(long)]
    check: bool,
}

/// The files by their paths below [`DIR`].
type Files = BTreeMap<PathBuf, Vec<u8>>;

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    let root = workspace::root().join(DIR);
    let (old, new) = (read(&root)?, generate()?);
    let differing = |file: &&PathBuf| old.get(*file) != new.get(*file);
    if arguments.check {
        if let Some(file) = old.keys().chain(new.keys()).find(differing) {
            bail!("{DIR}/{} is not what the types say; refresh it with `cargo xtask schemas`", file.display());
        }
        return Ok(());
    }
    for file in old.keys().filter(|file| !new.contains_key(*file)) {
        fs::remove_file(root.join(file))?;
    }
    for file in new.keys().filter(differing) {
        let path = root.join(file);
        if let Some(dir) = path.parent() {
            fs::create_dir_all(dir).with_context(|| format!("creating {}", dir.display()))?;
        }
        fs::write(&path, &new[file]).with_context(|| format!("writing {}", path.display()))?;
    }
    Ok(())
}

fn generate() -> Result<Files> {
    let contract = Contract::collect()?;
    let mut files = Files::new();
    for (path, schema) in contract.schemas() {
        files.insert(format!("json-schema/{path}.json").into(), pretty(schema)?);
    }
    for sample in contract.samples() {
        files.insert(format!("samples/{}.json", sample.file).into(), pretty(sample.value.clone())?);
        files.insert(format!("samples/{}.msgpack", sample.file).into(), Encoding::MessagePack.encode(&sample.value)?);
    }
    files.insert("asyncapi.json".into(), pretty(asyncapi::document(&contract))?);
    files.insert("openapi.json".into(), pretty(openapi::document(&contract))?);
    files.insert("docs/index.html".into(), page::render(&contract)?.into_bytes());
    Ok(files)
}

/// The same text for the same value, whatever order its maps have.
fn pretty(mut value: Value) -> Result<Vec<u8>> {
    value.sort_all_objects();
    Ok(format!("{}\n", serde_json::to_string_pretty(&value)?).into_bytes())
}

/// All files below a folder; none where it doesn't exist.
fn read(root: &Path) -> Result<Files> {
    let (mut files, mut dirs) = (Files::new(), vec![root.to_owned()]);
    while let Some(dir) = dirs.pop() {
        let Ok(entries) = fs::read_dir(&dir) else { continue };
        for entry in entries {
            let path = entry?.path();
            if path.is_dir() {
                dirs.push(path);
            } else {
                let bytes = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
                files.insert(path.strip_prefix(root)?.to_owned(), bytes);
            }
        }
    }
    Ok(files)
}
