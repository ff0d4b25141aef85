//! Grafana's dashboard: a layout that Grafana takes as it is, and words for whoever reads it. What Prometheus answers to its
//! queries is in `tests/e2e/prometheus.rs`.

#![expect(clippy::unwrap_used, reason = "a test's helpers fail as loudly as the test itself")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde_json::Value;

const COLUMNS: u64 = 24;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/purser.json")).unwrap()
}

fn panels(dashboard: &Value) -> &[Value] {
    dashboard["panels"].as_array().unwrap()
}

/// Columns and lines that a panel covers.
fn covered(panel: &Value) -> impl Iterator<Item = (u64, u64)> {
    let [x, y, w, h] = ["x", "y", "w", "h"].map(|name| panel["gridPos"][name].as_u64().unwrap());
    (x..x + w).flat_map(move |column| (y..y + h).map(move |line| (column, line)))
}

#[test]
fn each_panel_has_an_id_and_a_place_of_its_own() {
    let dashboard = dashboard();
    let (mut ids, mut places) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels(&dashboard) {
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "two panels have the id of {}", panel["title"]);
        for place in covered(panel) {
            assert!(place.0 < COLUMNS && places.insert(place), "{} covers another panel at {place:?}", panel["title"]);
        }
    }
    let lines = places.iter().map(|(_, line)| line + 1).max().unwrap();
    assert_eq!(places.len() as u64, lines * COLUMNS, "there are no holes");
}

#[test]
fn each_panel_says_what_it_shows_in_which_unit_and_from_the_data_source_that_is_chosen() {
    let dashboard = dashboard();
    assert!(dashboard["schemaVersion"].as_u64().unwrap() >= 39);
    let variable = &dashboard["templating"]["list"][0];
    assert_eq!((variable["name"].as_str(), variable["query"].as_str()), (Some("datasource"), Some("prometheus")));
    for panel in panels(&dashboard).iter().filter(|panel| panel["type"] != "row") {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| text.ends_with('.')), "{title} isn't described");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{title} has no unit");
        let mut sources = vec![&panel["datasource"]];
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{title} asks for nothing");
        sources.extend(targets.iter().map(|target| &target["datasource"]));
        for source in sources {
            assert_eq!(source["uid"], "${datasource}", "{title}");
        }
        let letters: BTreeSet<_> = targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert_eq!(letters.len(), targets.len(), "{title}: each query has a letter of its own");
    }
}

#[test]
fn alerts_that_it_names_exist_and_all_series_of_purser_are_documented() {
    let (rules, metrics, text) =
        (read("deploy/prometheus/alerts.yml"), read("docs/metrics.md"), read("deploy/grafana/purser.json"));
    let words: BTreeSet<_> = text.split(|letter: char| !(letter.is_ascii_alphanumeric() || letter == '_')).collect();
    let series: Vec<_> = words.iter().filter(|word| word.starts_with("purser_")).collect();
    assert!(series.len() > 25, "{series:?}");
    for name in series {
        let base = ["_bucket", "_count", "_sum"].iter().fold(*name, |name, end| name.strip_suffix(end).unwrap_or(name));
        assert!(metrics.contains(&format!("| `{base}` |")), "docs/metrics.md lacks {base}");
    }
    let alerts: Vec<_> =
        words.iter().filter(|word| word.len() > 6 && word.starts_with("Purser") && !word.contains('_')).collect();
    assert!(alerts.len() > 10, "{alerts:?}");
    for alert in alerts {
        assert!(rules.contains(&format!("- alert: {alert}\n")), "there is no alert {alert}");
    }
}

/// What Compose mounts is what the provisioning files say.
#[test]
fn the_compose_profile_mounts_dashboard_and_provisioning_where_grafana_looks_for_them() {
    let compose = read("docker-compose.yml");
    let folder = "/var/lib/grafana/dashboards";
    assert!(compose.contains(&format!("./deploy/grafana/purser.json:{folder}/purser.json:ro")), "{compose}");
    assert!(compose.contains("./deploy/grafana/provisioning:/etc/grafana/provisioning:ro"), "{compose}");
    assert!(read("deploy/grafana/provisioning/dashboards/purser.yaml").contains(&format!("path: {folder}\n")));
    assert!(read("deploy/grafana/provisioning/datasources/prometheus.yaml").contains("url: http://prometheus:9090\n"));
}
