//! Scheduled kinds: once for each period, whoever looks and whenever.

use jiff::SignedDuration;
use skaas_app::jobs::{self, Terms, Worker};
use skaas_testkit::app::{TestApp, story};

/// The scheduled jobs that wait, by kind.
fn waiting(app: &TestApp) -> Vec<String> {
    let mut kinds: Vec<String> = app
        .run(jobs::list(app.operator(), app.actor(), None, None, 100))
        .unwrap()
        .into_iter()
        .map(|job| job.kind)
        .collect();
    kinds.sort();
    kinds
}

#[test]
fn each_scheduled_run_is_added_once_however_many_workers_there_are() {
    story(|app| {
        let nodes = [app.node(), app.another_node()];
        let mut workers = nodes.clone().map(|node| Worker::new(node.app(), Terms::default()));
        for _ in 0..3 {
            for worker in &mut workers {
                app.run(worker.schedule()).unwrap();
            }
        }
        assert_eq!(waiting(app), ["delete_retired_packs", "forget", "seal_audit", "sweep_storage"]);
        app.run(workers[0].drain()).unwrap();
        assert_eq!(waiting(app), [""; 0]);
        app.pass(SignedDuration::from_mins(10));
        for worker in &mut workers {
            app.run(worker.schedule()).unwrap();
        }
        assert_eq!(waiting(app), ["delete_retired_packs", "seal_audit"]);
        // A worker that starts later finds what was added.
        let mut late = Worker::new(nodes[1].app(), Terms::default());
        app.run(late.schedule()).unwrap();
        app.run(late.drain()).unwrap();
        app.run(late.schedule()).unwrap();
        assert_eq!(waiting(app), [""; 0]);
        // Runs that nobody was there for are not made up for one by one.
        app.pass_days(3);
        app.run(late.schedule()).unwrap();
        assert_eq!(waiting(app), ["delete_retired_packs", "forget", "seal_audit", "sweep_storage"]);
    });
}
