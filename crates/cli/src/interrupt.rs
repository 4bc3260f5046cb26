//! Ctrl-C: a sentence about what was changed, and exit code 130. It works at any moment, also during a question and
//! while another program runs.

use std::sync::{Arc, Mutex, PoisonError};

use crate::{
    failure::{Failure, Kind},
    output,
};

/// What to say at the current stage.
#[derive(Clone)]
pub(crate) struct Interrupt(Arc<Mutex<Failure>>);

fn failure(what: &str, why: &str) -> Failure {
    Failure::new(Kind::Interrupted, what).why(why).next("run the same command again")
}

impl Interrupt {
    /// Watches for Ctrl-C from now on.
    pub(crate) fn while_signing_in(as_json: bool) -> Self {
        let why = "nothing was changed on this machine; the code will expire";
        let stage = Self(Arc::new(Mutex::new(failure("the sign-in was interrupted", why))));
        let said = stage.clone();
        // Questions and other programs block the main thread.
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

    /// From here on there is a token, and parts of the setup may be done.
    pub(crate) fn while_setting_up(&self) {
        let failure = failure("the setup was interrupted", "you are signed in, but some steps are missing");
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = failure;
    }
}
