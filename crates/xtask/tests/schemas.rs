//! `proto-schemas/` is what the types say, and what validators that are not ours take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is copied to where packages may be installed: nothing of them comes into the source tree.
const FILES: [&str; 3] = ["package.json", "package-lock.json", "validate.mjs"];
/// The lock file as it was when the packages were installed.
const INSTALLED: &str = "installed-lock.json";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/xtask lies in the workspace").to_owned()
}

fn run(command: &mut Command, what: &str) {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{what} can't be run ({error}): install Node.js 20 or newer with npm (https://nodejs.org)")
    });
    assert!(
        output.status.success(),
        "{what} failed\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr),
    );
    print!("{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn the_schemas_are_generated_from_the_types() {
    run(Command::new(env!("CARGO_BIN_EXE_xtask")).args(["schemas", "--check"]), "`cargo xtask schemas --check`");
}

#[test]
fn foreign_validators_take_the_schemas_and_every_example() {
    let (source, dir) = (root().join("tests/schemas"), root().join("target/schemas"));
    fs::create_dir_all(&dir).expect("target/schemas");
    for file in FILES {
        fs::copy(source.join(file), dir.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    }
    let lock = fs::read(dir.join("package-lock.json")).expect("the lock file");
    if fs::read(dir.join(INSTALLED)).ok().as_ref() != Some(&lock) {
        let mut npm = Command::new("npm");
        npm.args(["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]).current_dir(&dir);
        run(&mut npm, "`npm ci`");
        fs::write(dir.join(INSTALLED), lock).expect("a note of what is installed");
    }
    let mut node = Command::new("node");
    run(node.arg("validate.mjs").arg(root().join("proto-schemas")).current_dir(&dir), "`node validate.mjs`");
}
