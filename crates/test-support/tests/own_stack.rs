//! The life of a stack of its own, beside the shared one: nothing here touches the shared services.

use std::path::Path;

use test_support::database;
use test_support::services::{Progress, Service, Services, Stack, Status};

const WANTED: [Service; 2] = [Service::Postgres, Service::Ceph];

fn pids(stack: &Stack) -> Vec<Status> {
    stack.status().expect("a status").into_iter().map(|(_, status)| status).collect()
}

fn gateway_answers(services: &Services) -> bool {
    let address = services.rgw_url.trim_start_matches("http://");
    std::net::TcpStream::connect(address).is_ok()
}

/// Deletes the stack also where the test fails.
struct Deleted(Stack);

impl Drop for Deleted {
    fn drop(&mut self) {
        if let Err(error) = self.0.delete(&Progress::silent()) {
            eprintln!("the stack of this test may still be running: {error:#}");
        }
    }
}

#[test]
fn a_stack_starts_once_keeps_its_data_and_stops_its_own_processes_only() {
    let dir = tempfile::tempdir_in(Path::new(env!("CARGO_TARGET_TMPDIR"))).expect("a folder");
    let progress = Progress::silent();
    let stack = Deleted(Stack::at(dir.path()).expect("a stack"));
    let services = stack.0.up_some(&WANTED, &progress).expect("starts");
    let first = pids(&stack.0);
    database::create(&services, "kept").expect("creates");

    let again = stack.0.up_some(&WANTED, &progress).expect("finds it running");
    assert_eq!((again == services, pids(&stack.0)), (true, first));

    stack.0.down(&progress).expect("stops");
    assert_eq!(pids(&stack.0), [Status::Stopped; 3]);
    assert!(!gateway_answers(&services));

    let back = stack.0.up_some(&WANTED, &progress).expect("starts again");
    assert!(back == services && gateway_answers(&back), "ports and passwords stay");
    let names = database::psql(&back, "postgres", "SELECT datname FROM pg_database WHERE datname = 'kept'");
    assert_eq!(names.expect("rows"), "kept");
}
