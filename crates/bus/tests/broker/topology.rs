use std::collections::BTreeSet;

use bus::{Topology, WORKER_ROLES};

use crate::fixture::{Broker, connect, with_broker};

async fn queues(broker: &Broker) -> BTreeSet<(String, String)> {
    let queues = broker.management.queues(&broker.vhost).await.expect("the queues");
    queues.into_iter().map(|queue| (queue.name, queue.kind)).collect()
}

fn expected() -> BTreeSet<(String, String)> {
    Topology::purser().queues.into_iter().map(|queue| (queue.name, queue.kind.as_str().to_owned())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn definitions_and_declaration_agree() {
    with_broker(async |broker| {
        let (topology, bus) = (Topology::purser(), broker.admin().await);
        let missing = topology.check(&bus).await.expect_err("nothing is there yet");
        assert!(missing.to_string().starts_with("exchange \"s3.commands\": "), "{missing}");

        broker.management.import_definitions(&broker.vhost, &topology.definitions_json()).await.expect("they import");
        assert_eq!(queues(&broker).await, expected());
        topology.check(&bus).await.expect("complete");
        // Each declaration fails where an argument differs.
        topology.declare(&bus).await.expect("the same arguments");
        assert_eq!(queues(&broker).await, expected());
        broker.management.import_definitions(&broker.vhost, &topology.definitions_json()).await.expect("once more");
        bus.close().await;
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn declaration_makes_everything_and_roles_can_check_it() {
    with_broker(async |broker| {
        let bus = broker.admin().await;
        Topology::purser().declare(&bus).await.expect("declared");
        assert_eq!(queues(&broker).await, expected());
        bus.close().await;
        for role in WORKER_ROLES {
            let bus = connect(&broker.add_usual_user(&format!("purser-{role}")).await).await.expect("a role connects");
            Topology::of_role(role).check(&bus).await.expect("a role sees its own queues");
            let error = Topology::of_role(role).declare(&bus).await.expect_err("a role declares nothing");
            assert!(error.to_string().contains("ACCESS"), "{error}");
            bus.close().await;
        }
    })
    .await;
}
