//! The layers that ARCHITECTURE.md describes: who may depend on whom, and what may be written where.
//!
//! These tests read manifests and sources only. `deny.toml` names the crates that one layer keeps to itself;
//! cargo-deny checks the same list, also where a dependency brings such a crate in.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

/// The crates that answer messages. They share a structure and never import each other.
const WORKERS: [&str; 3] = ["provisioner", "metering", "billing"];
const SERVICES: [&str; 4] = ["gateway", "provisioner", "metering", "billing"];
const LINES_MAX: usize = 400;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/xtask lies in the workspace")
}

fn read(path: impl AsRef<Path>) -> String {
    let path = root().join(path);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn table(path: impl AsRef<Path>) -> Table {
    read(path).parse().expect("TOML")
}

/// The crates of the workspace, which are the folders in `crates/`.
fn crates() -> BTreeSet<String> {
    let entries = fs::read_dir(root().join("crates")).expect("crates/");
    let dirs = entries.map(|entry| entry.expect("an entry").path()).filter(|path| path.join("Cargo.toml").is_file());
    dirs.map(|path| path.file_name().expect("a name").to_string_lossy().into_owned()).collect()
}

/// The names in a section of a crate's manifest, such as `dependencies`.
fn dependencies(name: &str, section: &str) -> BTreeSet<String> {
    let manifest = table(format!("crates/{name}/Cargo.toml"));
    manifest.get(section).and_then(Value::as_table).into_iter().flat_map(Table::keys).cloned().collect()
}

/// The Rust files below `dir`, relative to the workspace; none where the folder doesn't exist.
fn rust_files(dir: impl AsRef<Path>) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(root().join(&dir)) else { return Vec::new() };
    let mut files = Vec::new();
    for entry in entries {
        let path = dir.as_ref().join(entry.expect("an entry").file_name());
        if root().join(&path).is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    files
}

/// The files of a crate's module `name`: the folder of that name, and `name.rs` beside it.
fn module_files(crate_name: &str, name: &str) -> Vec<PathBuf> {
    let src = Path::new("crates").join(crate_name).join("src");
    let mut files = rust_files(src.join(name));
    files.extend(Some(src.join(format!("{name}.rs"))).filter(|path| root().join(path).is_file()));
    files
}

/// The numbered lines of code before the file's unit tests, without comment lines.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let lines = text.lines().enumerate().map(|(index, line)| (index + 1, line));
    lines
        .take_while(|(_, line)| !line.trim_start().starts_with("#[cfg(test)]"))
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
}

/// Whether `word` stands in `line` by itself, not as a part of a longer name.
fn has_word(line: &str, word: &str) -> bool {
    let part_of_name = |character: char| character.is_alphanumeric() || character == '_';
    line.match_indices(word).any(|(start, _)| {
        let (before, after) = (&line[..start], &line[start + word.len()..]);
        let open_left = word.starts_with(part_of_name) && before.ends_with(part_of_name);
        let open_right = word.ends_with(part_of_name) && after.starts_with(part_of_name);
        !open_left && !open_right
    })
}

/// Where one of `words` stands in the code of `files`.
fn uses(files: &[PathBuf], words: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for file in files {
        for (number, line) in code_lines(&read(file)) {
            let words = words.iter().filter(|word| has_word(line, word));
            found.extend(words.map(|word| format!("{}:{number}: {word}", file.display())));
        }
    }
    found
}

fn assert_none(violations: &[String], rule: &str) {
    assert!(violations.is_empty(), "{rule}\n{}", violations.join("\n"));
}

#[test]
fn dependencies_point_inwards() {
    let service = ["runtime", "bus", "history", "object-store", "whmcs", "messages", "model"];
    let mut allowed = BTreeMap::from([
        ("model", vec![]),
        ("messages", vec!["model"]),
        ("bus", vec!["messages", "model"]),
        ("history", vec!["messages", "model"]),
        ("object-store", vec!["model"]),
        ("whmcs", vec!["model"]),
        ("runtime", vec!["bus", "history", "messages", "model"]),
        ("purser", [&service[..], &SERVICES].concat()),
        ("test-support", vec!["bus", "messages", "model"]),
        ("bench", vec!["messages", "model", "object-store", "test-support"]),
        ("xtask", vec!["bus", "messages", "model", "object-store", "test-support"]),
    ]);
    allowed.extend(SERVICES.map(|name| (name, service.to_vec())));

    let crates = crates();
    let mut violations = Vec::new();
    for name in &crates {
        let Some(allowed) = allowed.get(name.as_str()) else {
            violations.push(format!("{name}: say in this test what it may depend on"));
            continue;
        };
        for (section, more) in [("dependencies", None), ("dev-dependencies", Some("test-support"))] {
            let ours = dependencies(name, section).into_iter().filter(|dependency| crates.contains(dependency));
            let wrong = ours.filter(|dependency| {
                !allowed.contains(&dependency.as_str()) && more.is_none_or(|more| more != dependency)
            });
            violations.extend(wrong.map(|dependency| format!("crates/{name}/Cargo.toml [{section}]: {dependency}")));
        }
    }
    assert_none(
        &violations,
        "services -> {runtime, bus, history, object-store, whmcs, messages, model}; bus, history -> messages -> model; \
         object-store, whmcs -> model",
    );
}

#[test]
fn each_foreign_layer_is_used_by_its_own_crates_only() {
    let deny = table("deny.toml");
    let rules = deny["bans"]["deny"].as_array().expect("bans.deny is a list");
    let mut owners: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for rule in rules {
        let wrappers = rule.get("wrappers").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
        owners.insert(rule["crate"].as_str().expect("a crate's name"), wrappers.collect());
    }
    for name in ["lapin", "aws-sdk-s3", "axum", "rmp-serde", "sqlx"] {
        assert!(owners.get(name).is_some_and(|owners| !owners.is_empty()), "deny.toml must say who may use {name}");
    }
    let mut violations = Vec::new();
    for name in crates() {
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for dependency in dependencies(&name, section) {
                let may = owners.get(dependency.as_str()).is_none_or(|owners| owners.contains(&name.as_str()));
                if !may {
                    violations.push(format!("crates/{name}/Cargo.toml [{section}]: {dependency}"));
                }
            }
        }
    }
    assert_none(&violations, "deny.toml says which crates may use these");
}

#[test]
fn sql_is_written_in_stores_only() {
    // What a connection is called may be said where one is passed on; what is done with it may not.
    let names = ["sqlx::PgPool", "sqlx::PgConnection", "sqlx::PgExecutor", "sqlx::Error"];
    let mut violations = Vec::new();
    for service in SERVICES {
        let src = Path::new("crates").join(service).join("src");
        let wiring = [src.join("lib.rs"), src.join("migrate.rs"), src.join("store.rs")];
        for file in rust_files(&src) {
            // Tests have databases of their own.
            let may = ["store", "tests"].iter().any(|folder| file.starts_with(src.join(folder)));
            if may || wiring.contains(&file) {
                continue;
            }
            for (number, line) in code_lines(&read(&file)) {
                if has_word(line, "sqlx") && !names.iter().any(|name| has_word(line, name)) {
                    violations.push(format!("{}:{number}: {}", file.display(), line.trim()));
                }
            }
        }
    }
    assert_none(&violations, "SQL belongs in store/");
}

#[test]
fn domains_are_pure() {
    let impure = ["async", "await", "tokio", "sqlx", "std::fs", "Utc::now", "SystemTime", "Instant", "f32", "f64"];
    let files: Vec<PathBuf> = SERVICES.iter().flat_map(|service| module_files(service, "domain")).collect();
    assert!(!files.is_empty(), "the services have domains");
    assert_none(&uses(&files, &impure), "domain/ has no async, no I/O, no clock and no floats: pass values in");
}

#[test]
fn handlers_neither_acknowledge_nor_publish() {
    let files: Vec<PathBuf> = WORKERS.iter().flat_map(|worker| module_files(worker, "handle")).collect();
    assert!(!files.is_empty(), "the workers have handlers");
    assert_none(
        &uses(&files, &["bus", "Outcome", "Publisher"]),
        "handle/ answers and records; runtime acknowledges, the relay publishes",
    );
}

#[test]
fn workers_look_alike() {
    let mut missing = Vec::new();
    for service in SERVICES {
        missing.push(format!("crates/{service}/README.md"));
    }
    for worker in WORKERS {
        missing.extend(
            ["src/lib.rs", "src/routes.rs", "src/handle", "src/domain", "src/store", "migrations"]
                .map(|part| format!("crates/{worker}/{part}")),
        );
    }
    missing.retain(|path| !root().join(path).exists());
    assert_none(&missing, "these are missing");
}

#[test]
fn files_stay_short() {
    let files = ["crates", "tests"].iter().flat_map(rust_files);
    let long: Vec<String> = files
        .map(|file| (read(&file).lines().count(), file))
        .filter(|(lines, _)| *lines > LINES_MAX)
        .map(|(lines, file)| format!("{}: {lines} lines", file.display()))
        .collect();
    assert_none(&long, &format!("a Rust file has at most {LINES_MAX} lines"));
}

#[test]
fn every_dependency_says_what_it_is_for() {
    let manifest = read("Cargo.toml");
    let section = manifest.lines().skip_while(|line| *line != "[workspace.dependencies]").skip(1);
    let lines: Vec<&str> = section.take_while(|line| !line.starts_with('[')).collect();
    assert!(!lines.is_empty(), "the root manifest has [workspace.dependencies]");
    let silent: Vec<String> = lines
        .iter()
        .filter(|line| line.contains('=') && !line.starts_with('#') && !line.contains("path = \"crates/"))
        .filter(|line| line.rsplit_once(" # ").is_none_or(|(_, reason)| reason.trim().is_empty()))
        .map(|line| (*line).to_owned())
        .collect();
    assert_none(&silent, "a dependency's line in the root Cargo.toml ends with `# what for`");

    let mut unshared = Vec::new();
    for name in crates() {
        let manifest = table(format!("crates/{name}/Cargo.toml"));
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            let entries = manifest.get(section).and_then(Value::as_table).into_iter().flatten();
            let own = entries.filter(|(_, value)| value.get("workspace").and_then(Value::as_bool) != Some(true));
            unshared.extend(own.map(|(dependency, _)| format!("crates/{name}/Cargo.toml [{section}]: {dependency}")));
        }
    }
    assert_none(&unshared, "versions stand in the root Cargo.toml; write `<name>.workspace = true`");
}
