//! `skaas-server admin job`: queued work, and what became of it.

use serde_json::{Value, json};
use skaas_app::{
    Actor, App,
    jobs::{self, JobRecord, JobState},
};
use skaas_domain::id::JobId;

use super::{refused, show};
use crate::{
    arguments::{Job, JobState as Asked},
    output,
};

/// Runs one command.
pub(super) async fn run(app: &App, actor: &Actor, command: Job) -> anyhow::Result<()> {
    match command {
        Job::List { state, kind, limit, json } => {
            let all = jobs::list(app, actor, state.map(state_of), kind.as_deref(), limit).await?;
            list(&all, json)
        }
        Job::Show { job, json } => {
            let job = jobs::find(app, actor, id(&job)?).await?;
            if json {
                return output::json(&value(&job));
            }
            output::line(&text(&job));
            Ok(())
        }
        Job::Retry { job: Some(job), json, .. } => {
            let job = id(&job)?;
            jobs::retry(app, actor, job).await?;
            retried(1, json)
        }
        Job::Retry { job: None, kind, json, .. } => {
            retried(jobs::retry_dead(app, actor, kind.as_deref()).await?.jobs, json)
        }
        Job::Cancel { job, json } => {
            let canceled = jobs::cancel(app, actor, id(&job)?).await?;
            if json {
                return output::json(&json!({ "id": canceled.id, "canceled": true }));
            }
            output::line(&format!("Canceled {} ({})", canceled.id, canceled.kind));
            if canceled.state == JobState::Running {
                output::note(
                    "It was running. Its worker stops it within seconds; what it did so far stays done.",
                );
            }
            Ok(())
        }
        Job::Probe { count, json } => {
            let ids = jobs::probe(app, count).await?;
            if json {
                return output::json(&json!({ "jobs": ids }));
            }
            output::line(&format!("Added {} jobs that do nothing", ids.len()));
            output::note(
                "If `admin job list --kind probe` still shows them in a minute, no worker is running.",
            );
            Ok(())
        }
    }
}

const fn state_of(asked: Asked) -> JobState {
    match asked {
        Asked::Waiting => JobState::Waiting,
        Asked::Running => JobState::Running,
        Asked::Dead => JobState::Dead,
    }
}

fn id(text: &str) -> anyhow::Result<JobId> {
    text.parse().map_err(refused)
}

fn retried(jobs: u64, as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(&json!({ "retried": jobs }));
    }
    match jobs {
        0 => output::note("There are no dead jobs; nothing was changed"),
        1 => output::line("1 job starts now"),
        more => output::line(&format!("{more} jobs start now")),
    }
    Ok(())
}

fn value(job: &JobRecord) -> Value {
    json!({
        "id": job.id,
        "kind": job.kind,
        "state": job.state.as_str(),
        "user": job.user,
        "attempts": job.attempts,
        "priority": job.priority,
        "unique_key": job.unique_key,
        "due_at": job.due_at,
        "worker": job.holder,
        "error": job.error,
        "created_at": job.created_at,
        "changed_at": job.changed_at,
    })
}

fn list(all: &[JobRecord], as_json: bool) -> anyhow::Result<()> {
    if as_json {
        return output::json(&all.iter().map(value).collect::<Vec<_>>());
    }
    let rows: Vec<Vec<String>> = all
        .iter()
        .map(|job| {
            vec![
                job.id.to_string(),
                job.kind.clone(),
                job.state.as_str().to_owned(),
                job.attempts.to_string(),
                show::moment(job.created_at),
                show::maybe(job.due_at),
                job.error.clone().unwrap_or_else(|| "-".to_owned()),
            ]
        })
        .collect();
    let head = ["JOB", "KIND", "STATE", "ATTEMPTS", "ADDED", "NOT BEFORE", "LAST ERROR"];
    output::table(&head, &rows, "No jobs: everything is done");
    Ok(())
}

fn text(job: &JobRecord) -> String {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    [
        format!("{}: {}, {}", job.id, job.kind, job.state.as_str()),
        format!("  user        {}", or_none(job.user.map(|user| user.to_string()))),
        format!("  added       {}", show::moment(job.created_at)),
        format!("  {:<11} {}", job.state.as_str(), format_args!("since {}", show::moment(job.changed_at))),
        format!("  not before  {}", show::maybe(job.due_at)),
        format!("  attempts    {}", job.attempts),
        format!("  worker      {}", or_none(job.holder.clone())),
        format!("  last error  {}", or_none(job.error.clone())),
    ]
    .join("\n")
}
