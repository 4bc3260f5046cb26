//! Owns the device login (RFC 8628) as a person lives through it: an address, a code, a wait.

use std::{process::Command, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use skaas_api::{
    CLI_CLIENT_ID, DEVICE_CODE_GRANT, DeviceAuthorizationRequest, DeviceAuthorizationResponse,
    DeviceTokenRequest, OAuthErrorCode, TokenResponse,
};
use tokio::time::Instant;

use crate::{
    browser,
    failure::{Failure, Kind, Result},
    output::{self, bold, plain},
    remote::{Answer, Remote},
    wait::{Heard, Stop, Wait},
};

/// What to ask for, and how.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) scope: Option<String>,
    pub(crate) device_name: String,
    pub(crate) browser: bool,
}

/// Signs in; returns what the server gave.
pub(crate) async fn by_device(remote: &Remote, asking: &Asking) -> Result<TokenResponse> {
    let authorization = authorize(remote, asking).await?;
    show(&authorization, asking.browser);
    poll(remote, &authorization).await
}

async fn authorize(remote: &Remote, asking: &Asking) -> Result<DeviceAuthorizationResponse> {
    let form = DeviceAuthorizationRequest {
        client_id: CLI_CLIENT_ID.to_owned(),
        scope: asking.scope.clone(),
        device_name: Some(asking.device_name.clone()),
        resource: None,
    };
    let answer = remote.send(remote.post("/oauth/device_authorization").form(&form)).await?;
    if let Some(error) = answer.oauth_error().filter(|_| answer.status.is_client_error()) {
        let kind = if error.error == OAuthErrorCode::InvalidScope { Kind::Usage } else { Kind::Refused };
        let said = error.error_description.unwrap_or_else(|| error.error.to_string());
        return Err(
            Failure::new(kind, format!("{} does not begin a sign-in", remote.address)).why(plain(&said))
        );
    }
    remote.document(&answer)
}

fn show(authorization: &DeviceAuthorizationResponse, browser: bool) {
    let code = plain(&authorization.user_code);
    let typed = plain(&authorization.verification_uri);
    let whole = authorization.verification_uri_complete.as_deref().map(plain);
    if browser && browser::open(whole.as_deref().unwrap_or(&typed)) {
        output::note(&format!("Your browser shows a page that asks about the code {}.", bold(&code)));
        output::note(&format!("If it does not: open {typed} and type the code."));
    } else {
        output::note("To sign in, open this address in a browser on any device:\n");
        output::note(&format!("    {}\n", bold(whole.as_deref().unwrap_or(&typed))));
        output::note(&format!("It asks about the code {}. Where links do not open,", bold(&code)));
        output::note(&format!("go to {typed} and type it.\n"));
    }
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("our own template");
    bar.set_style(style);
    bar.set_message("Waiting for your answer in the browser (Ctrl-C to stop) ");
    if bar.is_hidden() {
        output::note("Waiting for your answer in the browser.");
    }
    bar.enable_steady_tick(Duration::from_millis(120));
    bar
}

async fn poll(remote: &Remote, authorization: &DeviceAuthorizationResponse) -> Result<TokenResponse> {
    let began = Instant::now();
    let bar = spinner();
    let mut wait = Wait::new(authorization);
    let mut pause = wait.pause();
    let outcome = loop {
        tokio::time::sleep(pause).await;
        let heard = match ask(remote, authorization).await {
            Ok(token) => break Ok(token),
            Err(heard) => heard,
        };
        match wait.hear(heard, began.elapsed()) {
            Ok(next) => pause = next,
            Err(stop) => break Err(stopped(remote, stop)),
        }
    };
    bar.finish_and_clear();
    outcome
}

async fn ask(
    remote: &Remote,
    authorization: &DeviceAuthorizationResponse,
) -> std::result::Result<TokenResponse, Heard> {
    let form = DeviceTokenRequest {
        grant_type: DEVICE_CODE_GRANT.to_owned(),
        device_code: authorization.device_code.clone(),
        client_id: CLI_CLIENT_ID.to_owned(),
    };
    let request = remote.post("/oauth/token").form(&form);
    let answer = remote.send(request).await.map_err(|_| Heard::Nothing)?;
    if answer.status.is_success() {
        return answer.json::<TokenResponse>().ok_or(Heard::Error(OAuthErrorCode::Unknown));
    }
    Err(heard(&answer))
}

fn heard(answer: &Answer) -> Heard {
    let pause = || answer.header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
    match (answer.status.as_u16(), answer.oauth_error()) {
        // Our own server says so in words of OAuth as well; how long to wait stands in the header alone.
        (429 | 503, _) => Heard::Busy(pause()),
        (500.., None) => Heard::Nothing,
        (_, Some(error)) => Heard::Error(error.error),
        (_, None) => Heard::Error(OAuthErrorCode::Unknown),
    }
}

fn stopped(remote: &Remote, stop: Stop) -> Failure {
    let address = &remote.address;
    match stop {
        Stop::Denied => Failure::new(Kind::Refused, "the sign-in was denied")
            .why("somebody pressed No on the page; nothing was changed here")
            .next(address.auth()),
        Stop::Expired => Failure::new(Kind::Refused, "the code is too old")
            .why("nobody answered on the page in time; nothing was changed here")
            .next(address.auth()),
        Stop::Refused(code) => Failure::new(Kind::Refused, format!("{address} does not end the sign-in"))
            .why(format!("it answered {code}"))
            .next(format!("{}; should that not help: skaas doctor --url {address}", address.auth())),
        Stop::Unreachable => Failure::new(Kind::Network, format!("{address} was out of reach while waiting"))
            .why("nothing was changed here")
            .next(format!("skaas doctor --url {address}")),
    }
}

/// What this device is called, for the list of tokens.
pub(crate) fn device_name() -> String {
    let from_env = || std::env::var("COMPUTERNAME").ok();
    let from_kernel = || std::fs::read_to_string("/proc/sys/kernel/hostname").ok();
    let from_program = || {
        let output = Command::new("hostname").output().ok().filter(|output| output.status.success())?;
        String::from_utf8(output.stdout).ok()
    };
    let name = from_env().or_else(from_kernel).or_else(from_program).unwrap_or_default();
    let name: String = plain(&name).chars().take(60).collect();
    if name.is_empty() { "a computer".to_owned() } else { name }
}
