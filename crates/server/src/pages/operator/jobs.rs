//! Queued work: which jobs there are, retrying them, canceling them.

use askama::Template;
use axum::{extract::State, response::Response};
use skaas_app::{
    Code, Error,
    jobs::{self, JobRecord, JobState},
};
use skaas_domain::id::JobId;

use super::super::confirm::Confirm;
use crate::web::{
    About, Frame, Member, Moment, PageError, Query, Results, Submitted, Tone, View, WebState, go, show,
};

/// The most jobs that the page reads, newest first.
const SHOWN: u32 = 500;

/// One job.
struct Row {
    id: String,
    kind: String,
    state: JobState,
    attempts: i64,
    added: Moment,
    due: Option<Moment>,
    error: String,
}

impl Row {
    /// The surface of its state.
    fn tone(&self) -> &'static str {
        match self.state {
            JobState::Dead => "danger",
            JobState::Running => "ok",
            JobState::Waiting => "",
        }
    }
}

static VIEWS: [View<Row>; 4] = [
    View { word: "", label: "All", holds: |_| true },
    View { word: "dead", label: "Dead", holds: |row| row.state == JobState::Dead },
    View { word: "waiting", label: "Waiting", holds: |row| row.state == JobState::Waiting },
    View { word: "running", label: "Running", holds: |row| row.state == JobState::Running },
];

#[derive(Template)]
#[template(path = "operator/jobs.html")]
struct Jobs {
    frame: Frame,
    results: Results<Row>,
    dead: usize,
}

pub(super) async fn page(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let now = state.app.now();
    let all = jobs::list(&state.app, &actor, None, None, SHOWN).await?;
    let dead = all.iter().filter(|job| job.state == JobState::Dead).count();
    let row = |job: JobRecord| Row {
        id: job.id.to_string(),
        kind: job.kind,
        state: job.state,
        attempts: job.attempts,
        added: Moment::new(job.created_at, now),
        due: Moment::maybe(job.due_at.filter(|_| job.state == JobState::Waiting), now),
        error: job.error.unwrap_or_default(),
    };
    let frame = browser.frame("operator-jobs");
    let frame = match query.get("done") {
        "retried" => frame.noting(Tone::Ok, "Retrying."),
        "canceled" => frame.noting(Tone::Ok, "The job is canceled."),
        _ => frame,
    };
    let about = About { path: "/operator/jobs".to_owned(), nouns: ("job", "jobs"), views: &VIEWS };
    let searched = |row: &Row| format!("{} {} {}", row.id, row.kind, row.error);
    let results = Results::of(about, &query, all.into_iter().map(row).collect(), searched);
    show(&Jobs { frame, results, dead })
}

fn id(text: &str) -> Result<JobId, Error> {
    text.parse().map_err(|_| Error::refused(Code::NoSuchJob, "there is no job with this ID"))
}

/// `POST /operator/jobs/retry`: one job, or every dead one if the form names none.
pub(super) async fn retry(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    match fields.get("job") {
        "" => drop(jobs::retry_dead(&state.app, &actor, None).await?),
        job => jobs::retry(&state.app, &actor, id(job)?).await?,
    }
    Ok(go("/operator/jobs?done=retried", []))
}

/// `GET /operator/jobs/cancel?job=…`
pub(super) async fn ask(
    State(state): State<WebState>,
    Member { browser, actor }: Member,
    Query(query): Query,
) -> Result<Response, PageError> {
    let job = jobs::find(&state.app, &actor, id(query.get("job"))?).await?;
    let running = match job.state {
        JobState::Running => " It is running; what it did so far stays done.",
        JobState::Waiting | JobState::Dead => "",
    };
    Confirm {
        frame: browser.frame("operator-jobs"),
        question: format!("Cancel this {} job?", job.kind),
        consequences: vec![format!("The job is deleted and can't be retried.{running}")],
        action: "/operator/jobs/cancel".into(),
        fields: vec![("job", job.id.to_string())],
        reason: None,
        tick: None,
        verb: "Cancel job",
        back: "/operator/jobs".into(),
    }
    .show()
}

pub(super) async fn cancel(
    State(state): State<WebState>,
    Member { actor, .. }: Member,
    Submitted(fields): Submitted,
) -> Result<Response, PageError> {
    jobs::cancel(&state.app, &actor, id(fields.get("job"))?).await?;
    Ok(go("/operator/jobs?done=canceled", []))
}
