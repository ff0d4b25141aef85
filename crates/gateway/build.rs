//! Lists the files of `proto-schemas/`, which the gateway serves at `/docs`.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    let manifest_dir = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR").unwrap_or_default());
    let root = manifest_dir.join("../../proto-schemas");
    println!("cargo::rerun-if-changed={}", root.display());
    // Cargo doesn't see that a file was added to the folder that `sqlx::migrate!` reads.
    println!("cargo::rerun-if-changed=migrations");
    let mut files = Vec::new();
    if root.is_dir() {
        collect(&root.canonicalize()?, "", &mut files)?;
    }
    files.sort();
    let mut list = "static FILES: &[(&str, &[u8])] = &[\n".to_owned();
    for (name, path) in &files {
        let _ = writeln!(list, "    ({name:?}, include_bytes!({:?})),", path.display().to_string());
    }
    list.push_str("];\n");
    let out_dir = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default());
    fs::write(out_dir.join("docs_files.rs"), list)
}

/// All files below `dir`, with their paths as URLs have them.
fn collect(dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        let name = format!("{prefix}{}", entry.file_name().to_string_lossy());
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{name}/"), files)?;
        } else if entry.file_type()?.is_file() {
            files.push((name, entry.path()));
        }
    }
    Ok(())
}
