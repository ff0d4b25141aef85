//! A field of a log line has one name and one meaning, and docs/logs.md says which.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Crates that are no part of the binary.
const TOOLS: [&str; 3] = ["test-support", "xtask", "bench"];
const MACROS: [&str; 7] = ["error!(", "warn!(", "info!(", "debug!(", "trace!(", "info_span!(", "debug_span!("];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).expect("crates/xtask lies in the workspace")
}

fn rust_files(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.expect("an entry").path());
    let files = entries.flat_map(|path| if path.is_dir() { rust_files(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}

/// The text up to the parenthesis that closes it, cut at its own commas; those within texts and brackets don't count.
fn arguments(text: &str) -> Vec<String> {
    let (mut depth, mut in_text, mut is_escaped) = (0, false, false);
    let mut found = vec![String::new()];
    for letter in text.chars() {
        match letter {
            _ if is_escaped => is_escaped = false,
            '\\' if in_text => is_escaped = true,
            '"' => in_text = !in_text,
            _ if in_text => {}
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' if depth == 0 => break,
            ')' | ']' | '}' => depth -= 1,
            ',' if depth == 0 => {
                found.push(String::new());
                continue;
            }
            _ => {}
        }
        found.last_mut().expect("never empty").push(letter);
    }
    found.into_iter().map(|argument| argument.trim().to_owned()).filter(|argument| !argument.is_empty()).collect()
}

/// The fields of a macro's call; none of spans that only a collector of traces sees.
fn fields(call: &str) -> Vec<String> {
    let arguments = arguments(call);
    if arguments.first().is_some_and(|first| first.starts_with("target:")) {
        return Vec::new();
    }
    let name = |argument: &String| {
        let before = argument.split_once(" = ").map_or(argument.as_str(), |(name, _)| name);
        // `%customer.s3uid` alone would be the field `customer.s3uid`.
        before.trim_start_matches(['%', '?']).to_owned()
    };
    arguments.iter().filter(|argument| !argument.starts_with('"')).map(name).collect()
}

/// All calls of the macros in a source: what stands behind the opening parenthesis.
fn calls(source: &str) -> Vec<&str> {
    let of_macro = |name: &&'static str| {
        let is_whole = |at: usize| !source[..at].ends_with(|before: char| before.is_alphanumeric() || before == '_');
        let found: Vec<_> = source.match_indices(*name).filter(|(at, _)| is_whole(*at)).collect();
        found.into_iter().map(|(at, name)| &source[at + name.len()..])
    };
    MACROS.iter().flat_map(of_macro).collect()
}

fn used() -> BTreeSet<String> {
    let crates = fs::read_dir(root().join("crates")).expect("crates/").map(|entry| entry.expect("an entry").path());
    let of_binary = crates.filter(|path| !TOOLS.iter().any(|tool| path.ends_with(tool)));
    let files: Vec<_> = of_binary.flat_map(|path| rust_files(&path.join("src"))).collect();
    let sources = files.iter().map(|path| fs::read_to_string(path).expect("a source"));
    sources.flat_map(|source| calls(&source).into_iter().flat_map(fields).collect::<Vec<_>>()).collect()
}

fn documented() -> BTreeSet<String> {
    let page = fs::read_to_string(root().join("docs/logs.md")).expect("docs/logs.md");
    let rows = page.lines().filter(|line| line.starts_with("| `"));
    let names = rows.flat_map(|row| row.split('|').nth(1).unwrap_or_default().split(',').collect::<Vec<_>>());
    names.map(|name| name.trim().trim_matches('`').to_owned()).collect()
}

#[test]
fn every_field_is_documented_and_every_documented_one_is_used() {
    let (used, mut documented) = (used(), documented());
    assert!(documented.remove("message"), "the one field that no macro names");
    assert!(used.len() > 20, "{used:?}");
    let unknown: Vec<_> = used.difference(&documented).collect();
    assert!(unknown.is_empty(), "docs/logs.md lacks {unknown:?}");
    let unused: Vec<_> = documented.difference(&used).collect();
    assert!(unused.is_empty(), "no log line has {unused:?}");
}

#[test]
fn fields_are_found_as_tracing_reads_them() {
    let source = r#"
        tracing::warn!(%location, s3uid = %a.b(1, 2), queue = if x { "a, b" } else { "c" }, error, "it = \"gone\", {x}");
        info_span!(target: TARGET, "RGW", otel.kind = "client");
        my_info!(wrong, "not ours");
    "#;
    let found: Vec<_> = calls(source).into_iter().flat_map(fields).collect();
    assert_eq!(found, ["location", "s3uid", "queue", "error"]);
}
