//! What came of asking, and the table of docs/git-clients.md.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;

/// What a client has after it asked.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// A new copy with all of its history.
    Whole { tip: String, commits: usize },
    /// A new copy that ends at a boundary.
    Shallow { tip: String, commits: usize },
    /// A copy that was there and is now at this tip, by fast-forward.
    Follows { tip: String },
    /// Nothing; and all that the person could read.
    Refused(String),
}

impl Outcome {
    pub(crate) fn holds_anything(&self) -> bool {
        !matches!(self, Self::Refused(_))
    }

    fn word(&self) -> &'static str {
        match self {
            Self::Whole { .. } => "whole",
            Self::Shallow { commits: 1, .. } => "tip",
            Self::Shallow { .. } => "part",
            Self::Follows { .. } => "follows",
            Self::Refused(_) => "refused",
        }
    }
}

type Row = (String, String);

/// The outcomes by client and way, one for each stage.
pub(crate) struct Table {
    text: &'static str,
    found: BTreeMap<Row, Vec<BTreeMap<&'static str, usize>>>,
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/git-clients.md")
}

impl Table {
    pub(crate) fn read() -> Self {
        let text = std::fs::read_to_string(path()).unwrap();
        Self { text: Box::leak(text.into_boxed_str()), found: BTreeMap::new() }
    }

    fn cells(&self) -> impl Iterator<Item = Vec<&'static str>> {
        let rows = self.text.lines().filter_map(|line| line.strip_prefix("| ")?.strip_suffix(" |"));
        let rows = rows.map(|row| row.split(" | ").map(str::trim).collect::<Vec<_>>());
        rows.filter(|cells| cells.len() == 7 && cells[0] != "client")
    }

    /// Each row's client and way.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (String, &'static str)> {
        self.cells().map(|cells| (cells[0].to_owned(), cells[1]))
    }

    pub(crate) fn note(&mut self, client: &str, way: &str, stage: usize, outcome: &Outcome) {
        let row =
            self.found.entry((client.to_owned(), way.to_owned())).or_insert_with(|| vec![BTreeMap::new(); 5]);
        *row[stage].entry(outcome.word()).or_default() += 1;
    }

    /// Every noted outcome is what the table says.
    #[track_caller]
    pub(crate) fn assert_right(&self) {
        let mut wrong = String::new();
        for ((client, way), stages) in &self.found {
            let said = self.cells().find(|cells| cells[0] == client && cells[1] == way);
            let found: Vec<String> =
                stages.iter().map(|words| words.keys().copied().collect::<Vec<_>>().join("/")).collect();
            if said.is_none_or(|cells| cells[2..] != found) {
                writeln!(wrong, "| {client} | {way} | {} |", found.join(" | ")).unwrap();
            }
        }
        assert!(wrong.is_empty(), "docs/git-clients.md should say\n{wrong}");
    }
}
