//! What an operator sees and does: `admin job`, metrics, `doctor`.

use serde_json::{Value, json};
use skaas_testkit::process::Installation;

fn installation(folder: &tempfile::TempDir) -> Installation {
    Installation::new(env!("CARGO_BIN_EXE_skaas-server"), folder.path().join("data"))
}

fn doctor(installation: &Installation) -> Value {
    let ran = installation.run(&["doctor", "--quick", "--json"]);
    let all: Vec<Value> = serde_json::from_str(&ran.stdout).unwrap();
    all.into_iter().find(|finding| finding["what"] == "jobs").unwrap()
}

#[test]
fn an_operator_lists_shows_retries_and_cancels_jobs_and_sees_that_a_worker_does_them() {
    let folder = tempfile::tempdir().unwrap();
    let installation = installation(&folder);
    installation.run(&["migrate"]).expect_success();
    assert_eq!(installation.admin(&["job", "list"]), json!([]));
    let added = installation.admin(&["job", "probe", "--count", "3"]);
    let ids: Vec<&str> = added["jobs"].as_array().unwrap().iter().map(|id| id.as_str().unwrap()).collect();
    let listed = installation.admin(&["job", "list", "--state", "waiting", "--kind", "probe"]);
    assert_eq!(listed.as_array().unwrap().len(), 3);
    let shown = installation.admin(&["job", "show", ids[0]]);
    assert_eq!(
        (&shown["state"], &shown["attempts"], &shown["kind"]),
        (&json!("waiting"), &json!(0), &json!("probe"))
    );
    assert_eq!(installation.admin(&["job", "cancel", ids[0]])["canceled"], true);
    assert_eq!(installation.run(&["admin", "job", "show", ids[0]]).code, Some(4));
    assert_eq!(installation.run(&["admin", "job", "cancel", "nonsense"]).code, Some(2));
    assert_eq!(installation.admin(&["job", "retry", ids[1]])["retried"], 1);
    assert_eq!(installation.admin(&["job", "retry", "--dead"])["retried"], 0);
    assert_eq!(doctor(&installation)["ok"], true);

    let server = installation.serve();
    until(|| installation.admin(&["job", "list"]) == json!([]));
    drop(server);
    let idle = installation.with_variable("SKAAS_JOBS_IN_SERVE", "false");
    let server = idle.serve();
    idle.admin(&["job", "probe"]);
    let log = server.log();
    assert!(!log.contains("worker_started"), "{log}");
    assert_eq!(idle.admin(&["job", "list"]).as_array().unwrap().len(), 1);
}

/// Looks until it is so, for two minutes.
pub(crate) fn until(is_so: impl Fn() -> bool) {
    for _ in 0..1200 {
        if is_so() {
            return;
        }
        std::thread::sleep(std::time::Duration::from_millis(100));
    }
    panic!("it did not become so within two minutes");
}
