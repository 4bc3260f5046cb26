//! The device login (RFC 8628) as the user sees it: a link, a code, a wait.

use std::{process::Command, time::Duration};

use indicatif::{ProgressBar, ProgressStyle};
use reqwest::Url;
use skaas_api::{
    CLI_CLIENT_ID, DEVICE_CODE_GRANT, DeviceAuthorizationRequest, DeviceAuthorizationResponse,
    DeviceTokenRequest, OAuthErrorCode, TokenResponse,
};
use tokio::time::Instant;

use crate::{
    account, browser,
    failure::{Failure, Kind, Result},
    output::{self, bold, plain},
    remote::{Answer, Remote},
    wait::{Heard, Stop, Wait},
};

/// What to request, and how.
#[derive(Debug)]
pub(crate) struct Asking {
    pub(crate) scope: Option<String>,
    pub(crate) device_name: String,
    pub(crate) browser: bool,
}

/// Signs in and returns the server's answer.
pub(crate) async fn by_device(remote: &Remote, asking: &Asking) -> Result<TokenResponse> {
    let authorization = authorize(remote, asking).await?;
    show(remote, &authorization, asking.browser)?;
    let token = poll(remote, &authorization).await?;
    account::check_token(&remote.address, &token.access_token)?;
    Ok(token)
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
            Failure::new(kind, format!("{} rejected the sign-in request", remote.address)).why(plain(&said))
        );
    }
    remote.document(&answer)
}

/// Checks the pages and the code, and shows them. The pages must be on the server that the user named: a browser
/// opens them, and people type codes and passwords there.
fn show(remote: &Remote, authorization: &DeviceAuthorizationResponse, browser: bool) -> Result<()> {
    let address = &remote.address;
    let page = |text: &str| account::on_server(address, text, "an invalid sign-in link");
    let typed: Url = page(&authorization.verification_uri)?;
    let complete = authorization.verification_uri_complete.as_deref().map(page).transpose()?;
    let code = &authorization.user_code;
    let is_code =
        (1..=32).contains(&code.len()) && code.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    if !is_code {
        return Err(Failure::untrusted(address, "an invalid sign-in code"));
    }
    let (code, link) = (bold(code), complete.as_ref().unwrap_or(&typed));
    if browser && browser::open(link) {
        output::note(&format!("Your browser is opening. Check that it shows the code {code}, then approve."));
        output::note(&format!("If nothing opens, go to {typed} and enter the code."));
    } else {
        output::note("To sign in, open this link in a browser on any device:\n");
        output::note(&format!("    {}\n", bold(link.as_str())));
        output::note(&format!("Check that it shows the code {code}, or go to {typed}"));
        output::note("and enter the code there.\n");
    }
    Ok(())
}

fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    let style = ProgressStyle::with_template("{spinner} {msg} {elapsed}").expect("our own template");
    bar.set_style(style);
    bar.set_message("Waiting for you to approve the sign-in (Ctrl-C to cancel) ");
    if bar.is_hidden() {
        output::note("Waiting for you to approve the sign-in.");
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
        // Our server sends an OAuth error too, but only the header says how long to wait.
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
            .why("it was canceled in the browser; nothing was changed on this machine")
            .next(address.auth()),
        Stop::Expired => Failure::new(Kind::Refused, "the code expired")
            .why("nobody approved it in time; nothing was changed on this machine")
            .next(address.auth()),
        Stop::Refused(code) => Failure::new(Kind::Refused, format!("{address} did not complete the sign-in"))
            .why(format!("it answered {code}"))
            .next(format!("{}; if that fails: {}", address.auth(), address.command("doctor"))),
        Stop::Unreachable => Failure::new(Kind::Network, format!("{address} became unreachable"))
            .why("nothing was changed on this machine")
            .next(address.command("doctor")),
    }
}

/// The name of this device for the list of tokens.
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
