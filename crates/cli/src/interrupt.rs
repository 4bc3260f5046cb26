//! Owns what Ctrl-C comes to: a sentence about what was kept, and exit code 130. It works at any moment, also
//! while a question is asked or another program runs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    failure::{Failure, Kind},
    output,
};

/// What to say at this stage.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<Mutex<Failure>>);

fn failure(what: &str, why: &str) -> Failure {
    Failure::new(Kind::Interrupted, what).why(why).next("run the same command again")
}

impl Interrupt {
    /// Watches from now on, while somebody is signing in.
    pub(crate) fn while_signing_in(as_json: bool) -> Self {
        let why = "nothing was changed here; the code lapses by itself";
        let stage = Self(Arc::new(Mutex::new(failure("signing in was interrupted", why))));
        let said = stage.clone();
        // A thread of its own: questions and other programs keep the first one busy.
        std::thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
                return;
            };
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                let failure = said.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
                output::note("");
                output::fail(&failure, as_json);
                std::process::exit(i32::from(Kind::Interrupted.code()));
            }
        });
        stage
    }

    /// From here on there is a token, and setting up was begun.
    pub(crate) fn while_setting_up(&self) {
        let failure =
            failure("setting up was interrupted", "you are signed in; what is missing can be done again");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}
