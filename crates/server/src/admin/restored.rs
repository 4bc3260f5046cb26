//! `skaas-server admin restored`: what to do once a backup has been restored.

use serde_json::{Value, json};
use skaas_app::{
    Actor, App,
    restoration::{self, WorksAgain},
};

use super::show;
use crate::output;

/// Runs the command.
pub(super) async fn run(app: &App, actor: &Actor, revoke: bool, as_json: bool) -> anyhow::Result<()> {
    let lineages = restoration::branch_off(app, actor).await?;
    let found = restoration::works_again(app, actor).await?;
    if revoke {
        restoration::revoke_again(app, actor, &found).await?;
    }
    if as_json {
        let found: Vec<Value> = found.iter().map(entry).collect();
        return output::json(
            &json!({ "lineages": lineages, "revoked_since": found, "revoked_again": revoke }),
        );
    }
    output::line(&format!(
        "{lineages} repositories branched off; copies ahead of the backup are told to clone again"
    ));
    if found.is_empty() {
        output::line("Nothing that was revoked after the backup works again");
    } else {
        let rows: Vec<Vec<String>> = found.iter().map(row).collect();
        output::table(&["KIND", "NAME", "USER", "REVOKED", "ID"], &rows, "");
        output::note(&outcome(found.len(), revoke));
    }
    output::note(
        "Passwords, and accounts and access given after the backup, are as they were in the backup.",
    );
    Ok(())
}

fn outcome(count: usize, revoked: bool) -> String {
    match (count, revoked) {
        (1, true) => "Revoked again.".to_owned(),
        (_, true) => format!("All {count} revoked again."),
        (1, false) => {
            "This was revoked after the backup and works again. To revoke it: skaas-server admin restored --revoke"
                .to_owned()
        }
        (_, false) => format!(
            "These {count} were revoked after the backup and work again. To revoke them: \
             skaas-server admin restored --revoke"
        ),
    }
}

fn entry(WorksAgain { revocation, name, username }: &WorksAgain) -> Value {
    json!({
        "kind": revocation.what.kind(),
        "id": revocation.id(),
        "name": name,
        "username": username,
        "revoked_at": revocation.at,
    })
}

fn row(WorksAgain { revocation, name, username }: &WorksAgain) -> Vec<String> {
    vec![
        revocation.what.kind().to_owned(),
        name.clone(),
        username.clone(),
        show::moment(revocation.at),
        revocation.id(),
    ]
}
