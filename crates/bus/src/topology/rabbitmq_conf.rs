//! The broker's own configuration: what the topology relies on and neither arguments nor policies can say.

use std::time::Duration;

use super::Topology;
use crate::connection::HEARTBEAT_S;
use crate::consume::BODY_BYTES_MAX;
use crate::publish::CHANNELS_MAX;

/// The largest body that the broker takes from anybody. More than a role takes, so that a somewhat too large request is
/// answered in words; and more than the longest list that a role answers with.
pub(crate) const MESSAGE_BYTES_MAX: usize = 16 * BODY_BYTES_MAX;

/// A connection has this many channels beside those for publishing at the most: consumers, and one for requests.
const OTHER_CHANNELS_MAX: usize = 64;

/// How long a delivery may go without acknowledgement. A query takes half a minute at the most. A command may wait for
/// seven others of its caller (of eight in hand one is worked on); each works until its lease is over, half a minute
/// unless set otherwise, and its last call returns. To publish it again takes a minute at the most. Reading hundreds of
/// accounts for an administrator takes minutes, too.
const UNACKNOWLEDGED_MAX: Duration = Duration::from_mins(30);

/// Comment and lines; the comment may have several lines.
type Section = (&'static str, Vec<String>);

impl Topology {
    /// `rabbitmq.conf` for a broker that starts empty, with comments; valid from RabbitMQ 3.10 to 4.x.
    ///
    /// It loads [`Topology::broker_definitions_json`] from `/etc/rabbitmq/broker-definitions.json`.
    pub fn rabbitmq_conf() -> String {
        let head = "# The broker that Purser needs; tested with RabbitMQ 3.10, with keys that 4.x has too.\n\
                    # Made by `cargo xtask definitions` from crates/bus/src/topology/rabbitmq_conf.rs: change it there.\n\
                    # What is yours (TLS, addresses, another limit) goes into a file that is read later, such as conf.d/90-local.conf.\n";
        let sections = [definitions(), limits(), resources(), access(), logs()].concat();
        sections.into_iter().fold(head.to_owned(), |mut text, (comment, lines)| {
            text.push('\n');
            for line in comment.lines() {
                text.push_str("# ");
                text.push_str(line);
                text.push('\n');
            }
            for line in lines {
                text.push_str(&line);
                text.push('\n');
            }
            text
        })
    }
}

fn section(comment: &'static str, lines: &[(&str, &str)]) -> Section {
    (comment, lines.iter().map(|(key, value)| format!("{key} = {value}")).collect())
}

fn definitions() -> Vec<Section> {
    vec![
        section(
            "The virtual host `purser` with exchanges, queues, bindings and policies. With definitions to load, an empty\n\
             broker gets no user `guest` and no virtual host `/`: the first user is added with rabbitmqctl.",
            &[
                ("definitions.import_backend", "local_filesystem"),
                ("definitions.local.path", "/etc/rabbitmq/broker-definitions.json"),
            ],
        ),
        section(
            "Not again at each start: what an operator has changed in a policy stays until the file changes.",
            &[("definitions.skip_if_unchanged", "true")],
        ),
        section(
            "On a cluster the leaders of the queues are spread over the nodes, instead of all where they were declared.",
            &[("queue_leader_locator", "balanced")],
        ),
        section(
            "In a cluster: nodes that are cut off from the most stop, so that nobody publishes where nothing is replicated.",
            &[("cluster_partition_handling", "pause_minority")],
        ),
    ]
}

fn limits() -> Vec<Section> {
    let message_bytes_max = MESSAGE_BYTES_MAX.to_string();
    let channels_max = (CHANNELS_MAX + OTHER_CHANNELS_MAX).to_string();
    let heartbeat_s = (4 * HEARTBEAT_S).to_string();
    let unacknowledged_ms_max = UNACKNOWLEDGED_MAX.as_millis().to_string();
    vec![
        section(
            "Bytes of a body. Roles take a sixteenth of it and park what has more, with the reason; beyond this a publisher\n\
             gets PRECONDITION_FAILED, and nothing is kept. Replies are under the same limit.",
            &[("max_message_size", &message_bytes_max)],
        ),
        section(
            "Milliseconds. A consumer that holds a delivery for longer is stuck: its channel is closed, and what it held is\n\
             delivered again, and done once all the same. A role that works holds one for some minutes at the most, or for\n\
             ten times `lease_seconds` where that was raised: then raise this, too.",
            &[("consumer_timeout", &unacknowledged_ms_max)],
        ),
        section(
            "Seconds. For clients that ask for nothing else, such as a frontend that is silent while it works. Roles ask for\n\
             a quarter of it.",
            &[("heartbeat", &heartbeat_s)],
        ),
        section(
            "Channels of a connection: a role publishes on half of them at the most. A client that opens more has a leak.",
            &[("channel_max", &channels_max)],
        ),
    ]
}

fn resources() -> Vec<Section> {
    vec![
        section(
            "Beyond it publishers are blocked until memory is free: callers are told to come back, nothing is lost. Erlang\n\
             may need as much again while it collects garbage.",
            &[("vm_memory_high_watermark.relative", "0.4")],
        ),
        section(
            "The same when less of the disk is free. The default, 50 MB, is too late: the log of the quorum queues alone\n\
             grows by 512 MB before it is cut.",
            &[("disk_free_limit.absolute", "2GB")],
        ),
    ]
}

fn access() -> Vec<Section> {
    vec![
        section("Should there ever be a `guest`: from this machine only.", &[("loopback_users.guest", "true")]),
        section(
            "The management API takes passwords in the clear, so on this machine only; for others give it management.ssl.*,\n\
             or a proxy with TLS.",
            &[("management.tcp.ip", "127.0.0.1"), ("management.tcp.port", "15672")],
        ),
        section(
            "What Prometheus reads, from wherever it runs: names of queues and numbers, no messages.",
            &[("prometheus.tcp.port", "15692")],
        ),
    ]
}

fn logs() -> Vec<Section> {
    vec![
        section(
            "To systemd's journal, or the container's log.",
            &[("log.console", "true"), ("log.console.level", "info")],
        ),
        section(
            "Without this, each connection of a frontend is three lines. Failed logins are told all the same.",
            &[("log.connection.level", "warning")],
        ),
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_key_stands_once_under_a_comment() {
        let text = Topology::rabbitmq_conf();
        let mut keys = BTreeSet::new();
        for block in text.split("\n\n").skip(1) {
            assert!(block.starts_with("# "), "{block}");
            for line in block.lines().filter(|line| !line.starts_with("# ")) {
                let (key, value) = line.split_once(" = ").expect("a key and its value");
                assert!(!value.is_empty() && keys.insert(key.to_owned()), "{line}");
            }
        }
        assert!(keys.len() > 10, "{keys:?}");
        assert!(text.lines().all(|line| line.len() <= 140), "{text}");
    }
}
