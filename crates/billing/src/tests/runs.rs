//! Runs side by side, killed, and started twice.

use std::time::Duration;

use super::{Fixture, at};
use crate::run::run;

const SERVICES: usize = 20;

impl Fixture {
    async fn many(&self) {
        for _ in 0..SERVICES {
            self.service(1).await;
        }
        self.final_until("2026-12-31");
        self.move_to("2026-06-02T00:00:00Z");
    }

    /// Waits until what was killed holds nothing any more: its last statement ends first.
    async fn no_transactions(&self) {
        let open = "SELECT count(*) FROM pg_stat_activity
                    WHERE datname = current_database() AND pid <> pg_backend_pid() AND backend_type = 'client backend'
                        AND xact_start IS NOT NULL";
        while sqlx::query_scalar::<_, i64>(open).fetch_one(self.journal.pool()).await.unwrap() > 0 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    /// Each service has each of its four periods once, and the numbers have no gaps.
    async fn assert_each_once(&self) {
        let lines = self.sql(
            "SELECT count(*), count(DISTINCT (service_id, period_number)), max(period_number), sum(net)
             FROM billing.document_lines",
        );
        assert_eq!(lines, format!("{0}|{0}|4|{1}.20", SERVICES * 4, 399));
        self.assert_books_agree().await;
    }
}

#[tokio::test]
async fn any_number_of_runs_side_by_side_issue_each_invoice_once() {
    let fixture = Fixture::new().await;
    fixture.many().await;
    let now = at("2026-06-02T00:00:00Z");
    let runs = (0..4).map(|_| {
        let (journal, settings) = (fixture.journal.clone(), fixture.settings.clone());
        tokio::spawn(async move { run(&journal, &settings, now, |_| {}).await.unwrap().issued })
    });
    let mut issued = 0;
    for run in runs.collect::<Vec<_>>() {
        issued += run.await.unwrap();
    }
    // What one run held when another came by is left for the next.
    issued += fixture.run().await.issued;
    assert_eq!(usize::try_from(issued).unwrap(), SERVICES * 4);
    fixture.assert_each_once().await;
}

#[tokio::test]
async fn a_run_that_is_killed_anywhere_is_gone_on_with() {
    let fixture = Fixture::new().await;
    fixture.many().await;
    let now = at("2026-06-02T00:00:00Z");
    for milliseconds in (1..60).step_by(3) {
        let (journal, settings) = (fixture.journal.clone(), fixture.settings.clone());
        let killed = run(&journal, &settings, now, |_| {});
        let _ = tokio::time::timeout(Duration::from_millis(milliseconds), killed).await;
    }
    fixture.no_transactions().await;
    fixture.run().await;
    fixture.assert_each_once().await;
}

#[tokio::test]
async fn one_service_that_can_t_be_invoiced_holds_up_no_other() {
    let fixture = Fixture::new().await;
    fixture.many().await;
    fixture.sql("DELETE FROM billing.service_plans WHERE service_id = (SELECT min(id) FROM billing.services)");
    let progress = fixture.run().await;
    assert_eq!((progress.failed, progress.issued), (1, 4 * (SERVICES as u64 - 1)));
}

#[tokio::test]
async fn a_run_for_a_moment_issues_what_is_due_by_then_only() {
    let fixture = Fixture::new().await;
    fixture.service(1).await;
    fixture.final_until("2026-12-31");
    fixture.move_to("2026-06-02T00:00:00Z");
    for (until, documents) in [("2026-03-01T00:00:00Z", 0), ("2026-03-31T23:59:59Z", 1), ("2026-04-01T00:00:00Z", 2)] {
        run(&fixture.journal, &fixture.settings, at(until), |_| {}).await.unwrap();
        assert_eq!(fixture.documents().len(), documents, "{until}");
    }
}
