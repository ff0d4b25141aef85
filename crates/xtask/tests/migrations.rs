//! Migrations run beside workers of the version before: they add, and take away only what that version doesn't use.

use std::fs;
use std::path::{Path, PathBuf};

/// What a worker of the version before can trip over.
const CONTRACTIONS: [&str; 7] =
    ["DROP COLUMN", "DROP SCHEMA", "DROP TABLE", "DROP TYPE", "DROP VIEW", "RENAME", "SET NOT NULL"];
/// Older than the rule.
const OLDER: [&str; 2] = ["billing/migrations/0002_services.sql", "billing/migrations/0003_invoicing.sql"];
/// Begins the comment that names the release since which nothing uses what goes.
const MARK: &str = "-- Contract: unused since ";

/// What contracts in a migration's text, unless it is marked.
fn contractions(sql: &str) -> Vec<String> {
    if sql.lines().any(|line| line.strip_prefix(MARK).is_some_and(|release| !release.trim().is_empty())) {
        return Vec::new();
    }
    let code: Vec<&str> = sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect();
    let words = code.join(" ").to_uppercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let mut found: Vec<String> =
        CONTRACTIONS.iter().filter(|what| words.contains(**what)).map(|what| (*what).to_owned()).collect();
    let retyped = words.split("ALTER COLUMN ").skip(1).filter_map(|rest| rest.split(' ').nth(1));
    found.extend(retyped.filter(|word| *word == "TYPE").map(|_| "ALTER COLUMN … TYPE".to_owned()));
    found
}

fn migrations(dir: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            migrations(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "sql") {
            found.push(path);
        }
    }
}

#[test]
fn a_migration_takes_away_nothing_that_is_in_use() {
    let crates = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("crates/xtask lies in crates/");
    let mut files = Vec::new();
    for entry in fs::read_dir(crates).expect("crates/") {
        let dir = entry.expect("an entry").path().join("migrations");
        if dir.is_dir() {
            migrations(&dir, &mut files);
        }
    }
    assert!(files.len() > 15, "only {} migrations", files.len());
    for file in files.iter().filter(|file| !OLDER.iter().any(|older| file.ends_with(older))) {
        let found = contractions(&fs::read_to_string(file).expect("a migration"));
        assert!(
            found.is_empty(),
            "{}: {found:?} breaks workers of the version before, which run on while it is migrated. Add what is new in one \
             release; take away what is old in the next one, in a migration with a line \"{MARK}<release>\"",
            file.display()
        );
    }
}

#[test]
fn what_contracts_is_found_and_may_be_marked() {
    for (sql, expected) in [
        ("ALTER TABLE a ADD COLUMN b text; -- not RENAME", vec![]),
        ("ALTER TABLE a ALTER COLUMN b DROP NOT NULL, DROP CONSTRAINT c", vec![]),
        ("ALTER TABLE a\n    DROP COLUMN b", vec!["DROP COLUMN"]),
        ("ALTER TABLE a ALTER COLUMN b TYPE bigint", vec!["ALTER COLUMN … TYPE"]),
        ("alter table a rename to b", vec!["RENAME"]),
        ("-- Contract: unused since 0.3.0\nDROP TABLE a;", vec![]),
    ] {
        assert_eq!(contractions(sql), expected, "{sql}");
    }
}
