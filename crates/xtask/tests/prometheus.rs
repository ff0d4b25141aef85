//! Prometheus' rules: sound, tested, on series that exist, each with its part of the runbook.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as loudly as the test itself")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn rules() -> String {
    fs::read_to_string(root().join("deploy/prometheus/alerts.yml")).unwrap()
}

fn alerts() -> BTreeSet<String> {
    rules().lines().filter_map(|line| line.trim().strip_prefix("- alert: ").map(str::to_owned)).collect()
}

fn promtool(arguments: &[&str]) {
    let output = Command::new("promtool").args(arguments).current_dir(root().join("deploy/prometheus")).output();
    let output =
        output.expect("promtool runs: Debian has it in the package prometheus, which `cargo xtask test` installs");
    let told = [output.stdout, output.stderr].map(|text| String::from_utf8_lossy(&text).into_owned()).concat();
    assert!(output.status.success(), "{arguments:?}: {told}");
}

#[test]
fn prometheus_finds_no_fault_with_its_configuration() {
    promtool(&["check", "config", "prometheus.yml"]);
    promtool(&["check", "rules", "--lint=all", "--lint-fatal", "alerts.yml"]);
}

#[test]
fn each_alert_comes_when_it_should_and_stays_away_when_all_is_well() {
    promtool(&["test", "rules", "alerts_test.yml"]);
    let tests = fs::read_to_string(root().join("deploy/prometheus/alerts_test.yml")).unwrap();
    for alert in alerts() {
        for case in ["comes", "stays away"] {
            assert!(tests.contains(&format!("- name: {alert} {case}\n")), "no test in which {alert} {case}");
        }
    }
}

#[test]
fn each_alert_has_its_part_of_the_runbook() {
    let runbook = fs::read_to_string(root().join("docs/runbook.md")).unwrap();
    let parts: BTreeSet<_> = runbook.lines().filter_map(|line| line.strip_prefix("## ").map(str::to_owned)).collect();
    assert_eq!(parts, alerts());
    let rules = rules();
    for alert in alerts() {
        let link = format!("docs/runbook.md#{}\"", alert.to_lowercase());
        assert!(rules.contains(&link), "{alert} doesn't name its part of the runbook");
    }
}

#[test]
fn each_series_that_is_asked_for_is_one_of_ours() {
    let sources = sources(&root().join("crates"));
    let rules = rules();
    let words = rules.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_'));
    let series: BTreeSet<_> = words.filter(|word| word.starts_with("purser_")).collect();
    assert!(series.len() >= 8, "{series:?}");
    for name in series {
        let base = name.trim_end_matches("_bucket");
        assert!(sources.contains(&format!("\"{base}\"")), "no role has a series {base}");
    }
}

#[test]
fn what_the_table_of_metrics_says_about_worrying_leads_to_an_alert() {
    let metrics = fs::read_to_string(root().join("docs/metrics.md")).unwrap();
    let parts: BTreeSet<_> = alerts().iter().map(|alert| alert.to_lowercase()).collect();
    let links: Vec<_> = metrics.split("(runbook.md#").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() > 10, "{links:?}");
    for link in links {
        assert!(parts.contains(link), "docs/metrics.md leads to {link}, of which the runbook has nothing");
    }
}

/// The text of all sources of the roles.
fn sources(dir: &Path) -> String {
    let mut text = String::new();
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && path.file_name().is_some_and(|name| name != "tests" && name != "target") {
            text.push_str(&sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(&path).unwrap());
        }
    }
    text
}
