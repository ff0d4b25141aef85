//! SECURITY.md names tests that there are.

use std::fs;
use std::path::{Path, PathBuf};

/// What the page abbreviates.
const FOLDERS: [(&str, &str); 3] =
    [("e2e/", "tests/e2e/"), ("http/", "crates/gateway/tests/http/"), ("broker/", "crates/bus/tests/broker/")];

fn file(named: &str) -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for (short, folder) in FOLDERS {
        if let Some(name) = named.strip_prefix(short) {
            return root.join(folder).join(name);
        }
    }
    root.join(named)
}

#[test]
fn every_test_that_security_md_names_exists() {
    let page = fs::read_to_string(file("SECURITY.md")).unwrap();
    let (mut source, mut found) = (String::new(), 0);
    // What stands between backticks: a file, perhaps with a test; or a further test of that file.
    for code in page.split('`').skip(1).step_by(2) {
        let mut words = code.split(' ');
        let first = words.next().unwrap_or_default();
        let is_test = |word: &str| word.matches('_').count() > 2 && !word.contains(['/', '.', '=']);
        let test = if first.contains('/') && Path::new(first).extension().is_some_and(|extension| extension == "rs") {
            source = fs::read_to_string(file(first)).unwrap_or_else(|error| panic!("{first}: {error}"));
            words.next()
        } else {
            Some(first).filter(|word| is_test(word))
        };
        if let Some(test) = test {
            assert!(source.contains(&format!("fn {test}()")), "there is no test {code}");
            found += 1;
        }
    }
    assert!(found > 25, "{found} tests are named");
}
