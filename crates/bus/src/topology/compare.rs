//! A live broker beside the table: what is missing, what is different, what should not be there.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use super::Topology;

/// How the broker differs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// It should be there.
    Missing,
    /// It is there, but otherwise.
    Changed,
    /// It has one of Purser's names, or brings messages into Purser's queues, and is none of the table.
    Unexpected,
}

/// One thing in which a live broker differs from the table.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Difference {
    /// How.
    pub kind: DifferenceKind,
    /// What: `queue s3.billing`, `binding s3.events -> s3.billing.events by order.paid`.
    pub what: String,
    /// In what it differs; empty where there is nothing to compare.
    pub detail: String,
}

impl fmt::Display for DifferenceKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Missing => "missing",
            Self::Changed => "changed",
            Self::Unexpected => "unexpected",
        })
    }
}

/// The parts of definitions, what makes one of a part's members known, and what else of it counts.
const PARTS: [(&str, &[&str], &[&str]); 4] = [
    ("exchanges", &["name"], &["type", "durable", "auto_delete", "internal", "arguments"]),
    ("queues", &["name"], &["durable", "auto_delete", "arguments"]),
    ("bindings", &["source", "destination", "routing_key"], &["destination_type", "arguments"]),
    ("policies", &["name"], &["pattern", "apply-to", "priority", "definition"]),
];

impl Topology {
    /// Compares with what the management API gives for one virtual host (`GET /api/definitions/<vhost>`). Queues,
    /// exchanges and bindings of others are none of its business, unless they bring messages into Purser's queues.
    pub fn differences(&self, live: &Value) -> Vec<Difference> {
        let wanted = self.definitions_json();
        let mut differences = Vec::new();
        for (part, keys, fields) in PARTS {
            let (wanted, live) = (members(&wanted, part, keys), members(live, part, keys));
            for (key, member) in &wanted {
                let what = describe(part, key);
                match live.get(key) {
                    None => differences.push(Difference { kind: DifferenceKind::Missing, what, detail: String::new() }),
                    Some(there) => {
                        let detail = in_what(member, there, fields);
                        if !detail.is_empty() {
                            differences.push(Difference { kind: DifferenceKind::Changed, what, detail });
                        }
                    }
                }
            }
            for key in live.keys().filter(|key| !wanted.contains_key(*key) && is_ours(part, key)) {
                let what = describe(part, key);
                differences.push(Difference { kind: DifferenceKind::Unexpected, what, detail: String::new() });
            }
        }
        differences
    }
}

fn members<'a>(definitions: &'a Value, part: &str, keys: &[&str]) -> BTreeMap<Vec<&'a str>, &'a Value> {
    let members = definitions[part].as_array().map(Vec::as_slice).unwrap_or_default();
    let key = |member: &'a Value| keys.iter().map(|key| member[*key].as_str().unwrap_or_default()).collect();
    members.iter().map(|member| (key(member), member)).collect()
}

fn describe(part: &str, key: &[&str]) -> String {
    match (part, key) {
        ("bindings", [source, destination, routing_key]) => {
            format!("binding {source} -> {destination} by {routing_key}")
        }
        ("policies", [name]) => format!("policy {name}"),
        (_, key) => format!("{} {}", part.trim_end_matches('s'), key.join(" ")),
    }
}

fn is_ours(part: &str, key: &[&str]) -> bool {
    match (part, key) {
        ("bindings", [_, destination, _]) => destination.starts_with("s3."),
        ("policies", [name]) => name.starts_with("purser-"),
        (_, key) => key.iter().all(|name| name.starts_with("s3.")),
    }
}

fn in_what(wanted: &Value, live: &Value, fields: &[&str]) -> String {
    let differing = fields.iter().filter(|field| wanted[**field] != live[**field]);
    let in_words = differing.map(|field| match (&wanted[*field], &live[*field]) {
        (Value::Object(wanted), Value::Object(live)) => {
            let mut names: Vec<_> = wanted.keys().chain(live.keys()).collect();
            names.sort_unstable();
            names.dedup();
            let differing = names.into_iter().filter(|name| wanted.get(*name) != live.get(*name));
            let value = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
            let parts =
                differing.map(|name| format!("{name} is {}, not {}", value(live.get(name)), value(wanted.get(name))));
            parts.collect::<Vec<_>>().join(", ")
        }
        (wanted, live) => format!("{field} is {live}, not {wanted}"),
    });
    in_words.collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn told(live: &Value) -> Vec<String> {
        let told = |Difference { kind, what, detail }| format!("{kind}: {what}: {detail}");
        Topology::purser().differences(live).into_iter().map(told).collect()
    }

    #[test]
    fn the_table_is_what_it_should_be() {
        assert_eq!(told(&Topology::purser().definitions_json()), Vec::<String>::new());
    }

    #[test]
    fn what_others_have_is_theirs() {
        let mut live = Topology::purser().definitions_json();
        live["queues"].as_array_mut().unwrap().push(json!({ "name": "audit", "arguments": {} }));
        let theirs = json!({ "source": "s3.events", "destination": "audit", "routing_key": "#" });
        live["bindings"].as_array_mut().unwrap().push(theirs);
        assert_eq!(told(&live), Vec::<String>::new());
    }

    #[test]
    fn each_kind_of_difference_is_told() {
        let mut live = Topology::purser().definitions_json();
        live["exchanges"].as_array_mut().unwrap().retain(|exchange| exchange["name"] != "s3.rgw");
        for queue in live["queues"].as_array_mut().unwrap() {
            if queue["name"] == "s3.billing.queries" {
                queue["arguments"]["x-message-ttl"] = json!(1);
            }
        }
        for policy in live["policies"].as_array_mut().unwrap() {
            if policy["name"] == "purser-work" {
                policy["definition"] = json!({ "delivery-limit": 20, "max-length": 5 });
                policy["priority"] = json!(3);
            }
        }
        let astray = json!({ "source": "s3.events", "destination": "s3.billing", "routing_key": "order.placed" });
        live["bindings"].as_array_mut().unwrap().push(astray);
        assert_eq!(
            told(&live),
            [
                "missing: exchange s3.rgw: ",
                "changed: queue s3.billing.queries: x-message-ttl is 1, not 30000",
                "unexpected: binding s3.events -> s3.billing by order.placed: ",
                "changed: policy purser-work: priority is 3, not 0, max-length is 5, not nothing",
            ]
        );
    }
}
