//! `skaas-server admin operator`: who may open the operator's pages.

use serde_json::json;
use skaas_app::{Actor, App, operators};

use super::show;
use crate::{arguments::Operator, output};

/// Runs one command.
pub(super) async fn run(app: &App, actor: &Actor, command: Operator) -> anyhow::Result<()> {
    match command {
        Operator::Add { username, json } => {
            let user = operators::add(app, actor, &username).await?;
            if json {
                return output::json(&json!({ "id": user.id, "username": user.username, "operator": true }));
            }
            output::line(&format!("{username} is an operator; their pages are at {}", desk(app)));
        }
        Operator::Remove { username, json } => {
            let user = operators::remove(app, actor, &username).await?;
            if json {
                return output::json(&json!({ "id": user.id, "username": user.username, "operator": false }));
            }
            output::line(&format!("{username} is no longer an operator"));
        }
        Operator::List { json } => {
            let all = operators::list(app, actor).await?;
            if json {
                let one = |one: &operators::Operator| {
                    json!({
                        "id": one.user.id,
                        "username": one.user.username,
                        "added_at": one.added_at,
                        "added_by": one.added_by,
                    })
                };
                return output::json(&all.iter().map(one).collect::<Vec<_>>());
            }
            let row = |one: &operators::Operator| {
                vec![one.user.username.clone(), show::moment(one.added_at), one.added_by.clone()]
            };
            let rows: Vec<Vec<String>> = all.iter().map(row).collect();
            output::table(
                &["USERNAME", "SINCE", "ADDED BY"],
                &rows,
                "No operators yet: `admin operator add NAME`",
            );
        }
    }
    Ok(())
}

/// Where the operator's pages are.
fn desk(app: &App) -> String {
    format!("{}/operator", app.voice().public_url)
}
