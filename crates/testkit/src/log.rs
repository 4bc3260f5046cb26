//! What a test's server logged, kept apart from every other test's.
//!
//! Owns: events by level and name. Refuses: the process's global subscriber, so that tests which share
//! a process do not hear each other.

use std::fmt::{self, Write as _};
use std::sync::{Arc, Mutex};

use tracing::field::{Field, Visit};
use tracing::{Dispatch, Event, Level, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::Registry;

/// One line of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// How grave it is.
    pub level: Level,
    /// The event's name: its field `event`, or its message.
    pub event: String,
    /// The other fields, `name=value` with a space between.
    pub fields: String,
}

impl fmt::Display for Line {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {} {}", self.level, self.event, self.fields)
    }
}

/// The log of one test.
#[derive(Clone, Debug, Default)]
pub struct Log {
    lines: Arc<Mutex<Vec<Line>>>,
    expected: Arc<Mutex<Vec<String>>>,
}

impl Log {
    /// What has to be the default dispatcher of a thread for its events to be heard here.
    pub fn dispatch(&self) -> Dispatch {
        Dispatch::new(Registry::default().with(Listener(self.clone())))
    }

    /// Says that error lines of this event are part of the story.
    pub fn expect(&self, event: &str) {
        self.expected.lock().expect("nobody panics while expecting").push(event.to_owned());
    }

    /// Everything logged so far by our own crates, down to `debug`.
    pub fn lines(&self) -> Vec<Line> {
        self.lines.lock().expect("nobody panics while logging").clone()
    }

    /// The error lines that nobody expected.
    pub fn surprises(&self) -> Vec<Line> {
        let expected = self.expected.lock().expect("nobody panics while expecting").clone();
        let mut lines = self.lines();
        lines.retain(|line| line.level == Level::ERROR && !expected.contains(&line.event));
        lines
    }
}

struct Listener(Log);

impl<S: Subscriber> Layer<S> for Listener {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target().starts_with("skaas") || *metadata.level() <= Level::WARN
    }

    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut seen = Seen::default();
        event.record(&mut seen);
        let line = Line {
            level: *event.metadata().level(),
            event: seen.event.or(seen.message).unwrap_or_default(),
            fields: seen.fields.trim_end().to_owned(),
        };
        self.0.lines.lock().expect("nobody panics while logging").push(line);
    }
}

#[derive(Default)]
struct Seen {
    event: Option<String>,
    message: Option<String>,
    fields: String,
}

impl Visit for Seen {
    fn record_str(&mut self, field: &Field, value: &str) {
        if field.name() == "event" {
            self.event = Some(value.to_owned());
        } else {
            self.record_debug(field, &value);
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        if field.name() == "message" {
            self.message = Some(format!("{value:?}"));
        } else {
            write!(self.fields, "{}={value:?} ", field.name()).expect("a string takes text");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_that_nobody_expected_is_a_surprise() {
        let log = Log::default();
        tracing::dispatcher::with_default(&log.dispatch(), || {
            tracing::error!(event = "disk_full", free = 3);
            tracing::error!(event = "lost_row");
            tracing::info!(event = "all_is_well");
        });
        log.expect("lost_row");
        let surprises: Vec<String> = log.surprises().iter().map(ToString::to_string).collect();
        assert_eq!(surprises, ["ERROR disk_full free=3"]);
        assert_eq!(log.lines().len(), 3);
    }
}
