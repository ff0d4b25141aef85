//! What becomes of services that aren't paid.

use messages::{DeletePaymentAccount, HoldService};
use model::Principal;
use serde_json::json;

use super::{CUSTOMER, Fixture};
use crate::dunning::{restore_one, step_one};

impl Fixture {
    async fn dun(&self) {
        while step_one(&self.journal, &self.settings).await.unwrap() {}
        while restore_one(&self.journal, &self.settings).await.unwrap() {}
    }

    fn states(&self) -> String {
        self.sql(
            "SELECT string_agg(state || ' ' || coalesce(dunning_step, '-'), ', ' ORDER BY id) FROM billing.services",
        )
    }

    fn dunned(&self) -> Vec<String> {
        let told = [
            "service.reminded",
            "service.locked",
            "service.suspended",
            "service.restored",
            "service.terminated",
            "set_account_access",
            "purge_account",
        ];
        self.published().into_iter().filter(|name| told.contains(&name.as_str())).collect()
    }
}

#[tokio::test]
async fn an_unpaid_service_is_reminded_locked_suspended_and_ended_and_its_neighbour_is_not() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.run().await;
    fixture.pay("5.94", "bank-1").await;
    fixture.service(2).await;
    fixture.run().await;
    // Due on 15 March.
    for (day, states) in [
        ("2026-03-17", "running -, running -"),
        ("2026-03-18", "running -, running reminder"),
        ("2026-03-25", "running -, locked lock"),
        ("2026-04-04", "running -, off suspension"),
        ("2026-04-24", "running -, deleting termination"),
    ] {
        fixture.move_to(&format!("{day}T00:00:00Z"));
        fixture.dun().await;
        fixture.dun().await;
        assert_eq!(fixture.states(), states, "{day}");
    }
    assert_eq!(
        fixture.dunned(),
        [
            "service.reminded",
            "service.locked",
            "set_account_access",
            "service.suspended",
            "set_account_access",
            "service.terminated",
            "purge_account",
        ]
    );
    let accesses = fixture
        .sql("SELECT body FROM billing.outbox WHERE envelope ->> 'routing_key' = 'set_account_access' ORDER BY id");
    assert!(
        accesses.lines().next().unwrap().contains("read_only") && accesses.lines().last().unwrap().contains("none")
    );
    fixture.assert_books_agree().await;
}

#[tokio::test]
async fn paying_restores_at_once_and_a_part_of_it_does_not() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.run().await;
    for day in ["2026-03-20", "2026-04-01"] {
        fixture.move_to(&format!("{day}T00:00:00Z"));
        fixture.dun().await;
    }
    assert_eq!(fixture.states(), "locked lock");
    fixture.pay("5.00", "bank-1").await;
    assert_eq!(fixture.states(), "locked lock");
    fixture.pay("0.94", "bank-2").await;
    assert_eq!(fixture.states(), "running -");
    assert_eq!(fixture.dunned()[3..], ["set_account_access", "service.restored"]);
}

#[tokio::test]
async fn a_cancelled_service_that_isn_t_paid_goes_back_to_locked() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(1).await;
    fixture.run().await;
    let own = Principal::Customer(CUSTOMER);
    fixture.command::<DeletePaymentAccount>(own, json!({"s3uid": s3uid})).await;
    for day in ["2026-03-18", "2026-03-26"] {
        fixture.move_to(&format!("{day}T00:00:00Z"));
        fixture.dun().await;
    }
    assert_eq!(fixture.states(), "deleting lock");
    fixture.command::<messages::CancelPaymentAccountDeletion>(own, json!({"s3uid": s3uid})).await;
    assert_eq!(fixture.states(), "locked lock");
    fixture.pay("5.94", "bank-1").await;
    assert_eq!(fixture.states(), "running -");
}

#[tokio::test]
async fn what_an_administrator_holds_back_stays_so_when_it_is_paid() {
    let fixture = Fixture::new().await;
    let (_, s3uid) = fixture.service(1).await;
    fixture.run().await;
    let hold = |hold: &str| json!({"s3uid": s3uid, "hold": hold, "reason": "abuse"});
    let refused = fixture.command::<HoldService>(Principal::Customer(CUSTOMER), hold("none")).await;
    assert_eq!(refused["message"], "services are held back by administrators only");
    let locked = fixture.command::<HoldService>(Principal::Admin(None), hold("lock")).await;
    assert_eq!(locked["state"], "locked");
    for day in ["2026-03-18", "2026-03-25", "2026-04-05"] {
        fixture.move_to(&format!("{day}T00:00:00Z"));
        fixture.dun().await;
    }
    assert_eq!(fixture.states(), "off suspension");
    fixture.pay("5.94", "bank-1").await;
    assert_eq!(fixture.states(), "locked -");
    let free = fixture.command::<HoldService>(Principal::Admin(None), hold("none")).await;
    assert_eq!(free["state"], "running");
    let again = fixture.command::<HoldService>(Principal::Admin(None), hold("none")).await;
    assert_eq!(again["state"], "running");
    assert_eq!(fixture.published().into_iter().filter(|name| name == "service.held").count(), 2);
}

#[tokio::test]
async fn dunning_that_begins_late_skips_no_step() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.run().await;
    fixture.move_to("2026-12-01T00:00:00Z");
    fixture.dun().await;
    assert_eq!(fixture.states(), "running reminder");
    fixture.move_to("2026-12-07T00:00:00Z");
    fixture.dun().await;
    assert_eq!(fixture.states(), "running reminder");
    fixture.move_to("2026-12-08T00:00:00Z");
    fixture.dun().await;
    assert_eq!(fixture.states(), "locked lock");
}

#[tokio::test]
async fn paying_the_oldest_invoice_restores_as_far_as_the_next_one_allows() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.final_until("2026-12-31");
    fixture.run().await;
    fixture.move_to("2026-04-01T00:00:00Z");
    fixture.run().await;
    fixture.dun().await;
    fixture.move_to("2026-04-20T00:00:00Z");
    fixture.dun().await;
    assert_eq!(fixture.states(), "locked lock");
    // April's is five days late: a reminder.
    fixture.pay("5.94", "bank-1").await;
    assert_eq!(fixture.states(), "running reminder");
    fixture.pay("5.94", "bank-2").await;
    assert_eq!(fixture.states(), "running -");
}

#[tokio::test]
async fn one_service_in_trouble_holds_up_no_other() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.service(1).await;
    fixture.run().await;
    fixture.sql("UPDATE billing.services SET state = 'off' WHERE id = 1");
    fixture.move_to("2026-03-18T00:00:00Z");
    fixture.dun().await;
    fixture.move_to("2026-03-25T00:00:00Z");
    fixture.dun().await;
    assert_eq!(fixture.states(), "off reminder, locked lock");
}
