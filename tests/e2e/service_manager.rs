//! What a service manager such as systemd hears of a process.

use std::path::Path;

use test_support::deployment::{Process, Settings};
use test_support::world::World;
use tokio::net::UnixDatagram;
use tokio::time::{Instant, timeout_at};

use crate::LIMIT;

/// The socket of `NOTIFY_SOCKET`, with what came through it.
struct Listener {
    socket: UnixDatagram,
    heard: Vec<String>,
}

impl Listener {
    fn bind(path: &Path) -> Self {
        Self { socket: UnixDatagram::bind(path).unwrap(), heard: Vec::new() }
    }

    /// Waits for a line that begins like this; the ones before it are kept.
    async fn wait_for(&mut self, wanted: &str) -> String {
        let (mut buffer, deadline) = ([0; 4096], Instant::now() + LIMIT);
        loop {
            let heard = timeout_at(deadline, self.socket.recv(&mut buffer)).await;
            let length = heard.unwrap_or_else(|_| panic!("no {wanted}, but {:?}", self.heard)).unwrap();
            let lines: Vec<_> = String::from_utf8_lossy(&buffer[..length]).lines().map(str::to_owned).collect();
            let found = lines.iter().find(|line| line.starts_with(wanted)).cloned();
            self.heard.extend(lines);
            if let Some(found) = found {
                return found;
            }
        }
    }

    fn has_heard(&self, line: &str) -> bool {
        self.heard.iter().any(|heard| heard == line)
    }
}

/// Starts a role as systemd would, with a watchdog that wants to hear of it every second.
fn start(world: &World, role: &str, socket: &Path, more: &[(&str, &str)]) -> Process {
    let variables = [&[("NOTIFY_SOCKET", socket.to_str().unwrap()), ("WATCHDOG_USEC", "1000000")], more].concat();
    world.deployment.spawn_unready(role, &variables).unwrap()
}

#[tokio::test]
async fn systemd_hears_when_a_process_is_ready_alive_and_ending() {
    let world = World::start_with(Settings::default(), &[]).await;
    for role in ["gateway", "billing"] {
        let path = world.deployment.dir().join(format!("{role}.notify"));
        let mut listener = Listener::bind(&path);
        let mut process = start(&world, role, &path, &[]);
        listener.wait_for("READY=1").await;
        let ready = reqwest::get(format!("http://{}/readyz", process.address())).await.unwrap();
        assert!(ready.status().is_success(), "{role} is ready when it says so");
        assert!(listener.has_heard("STATUS=ready"), "{:?}", listener.heard);
        for _ in 0..3 {
            listener.wait_for("WATCHDOG=1").await;
        }
        assert!(!listener.has_heard("STOPPING=1"));
        assert!(process.stop().await.unwrap().success());
        listener.wait_for("STOPPING=1").await;
        assert_eq!(listener.heard.iter().filter(|line| *line == "READY=1").count(), 1, "{:?}", listener.heard);
    }
}

#[tokio::test]
async fn a_process_that_waits_for_its_broker_is_alive_and_not_ready() {
    let world = World::start_with(Settings::default(), &[]).await;
    let path = world.deployment.dir().join("notify");
    let nobody = ("amqp://purser-billing:secret@127.0.0.1:1/x", "amqp://purser-gateway:secret@127.0.0.1:1/x");
    for (role, variable) in
        [("billing", ("PURSER__BILLING__AMQP_URL", nobody.0)), ("gateway", ("PURSER__GATEWAY__AMQP_URL", nobody.1))]
    {
        let path = path.with_extension(role);
        let mut listener = Listener::bind(&path);
        let mut process = start(&world, role, &path, &[variable]);
        let status = listener.wait_for("STATUS=not ready").await;
        assert_eq!(status, format!("STATUS=not ready: {role}.started: connecting"));
        for _ in 0..3 {
            listener.wait_for("WATCHDOG=1").await;
        }
        assert!(process.stop().await.unwrap().success());
        listener.wait_for("STOPPING=1").await;
        assert!(!listener.has_heard("READY=1"), "{:?}", listener.heard);
    }
}
