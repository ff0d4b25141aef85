//! The published schemas and samples, today's and former ones, are what the types read and write.

mod frozen;
mod published;
mod typed;

use std::fs;
use std::path::{Path, PathBuf};

/// The published samples.
fn samples_dir() -> PathBuf {
    schemas_dir().join("samples")
}

fn schemas_dir() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../proto-schemas")
}

/// The samples' names in a folder, without extension.
fn sample_names(dir: &Path) -> Vec<String> {
    let files = fs::read_dir(dir).unwrap_or_else(|error| panic!("{}: {error}", dir.display()));
    let names = files.map(|file| file.expect("a file").file_name().to_string_lossy().into_owned());
    let mut names: Vec<_> = names.filter_map(|name| name.strip_suffix(".msgpack").map(str::to_owned)).collect();
    names.sort();
    assert!(names.len() > 70, "{} has only {} samples", dir.display(), names.len());
    names
}

fn read(path: impl AsRef<Path>) -> Vec<u8> {
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()))
}
