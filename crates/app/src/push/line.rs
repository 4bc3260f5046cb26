//! The way back to the pusher: progress, messages and the report, in git's side-band.

use bytes::Bytes;
use skaas_git::receive_pack::{Capabilities, Report, SidebandWriter};
use tokio::sync::mpsc;

/// What is sent to the pusher while their push is being taken. Cheap to clone.
#[derive(Clone)]
pub(super) struct Line {
    writer: SidebandWriter,
    sender: mpsc::UnboundedSender<Bytes>,
}

impl Line {
    pub(super) fn new(capabilities: &Capabilities) -> (Self, mpsc::UnboundedReceiver<Bytes>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self { writer: SidebandWriter::new(capabilities), sender }, receiver)
    }

    /// Sends progress, which `--quiet` hides.
    pub(super) fn progress(&self, text: &str) {
        self.send(self.writer.progress(text));
    }

    /// Sends progress while nothing else happens; to a quiet push something that is not shown.
    pub(super) fn waiting(&self, text: &str) {
        let shown = self.writer.progress(text);
        self.send(if shown.is_empty() { self.writer.keep_alive() } else { shown });
    }

    /// Sends what is always shown.
    pub(super) fn message(&self, text: &str) {
        self.send(self.writer.message(text));
    }

    /// Sends the report, which ends the answer.
    pub(super) fn report(&self, report: &Report) {
        self.send(self.writer.report(report));
    }

    /// Returns once the pusher is gone.
    pub(super) async fn closed(&self) {
        self.sender.closed().await;
    }

    fn send(&self, bytes: Bytes) {
        if !bytes.is_empty() {
            // A pusher who leaves stops nothing: their push was received whole.
            let _ = self.sender.send(bytes);
        }
    }
}
