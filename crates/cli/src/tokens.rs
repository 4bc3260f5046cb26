//! `skaas token`: the user's API tokens on the server.

use jiff::Timestamp;
use serde::Serialize;
use skaas_api::{CreatedToken, NewToken, TokenInfo, TokenList};

use crate::{
    Here, account,
    arguments::Token,
    clock,
    failure::{Failure, Kind, Result},
    output::{self, plain},
    remote::Remote,
    status::token,
};

/// Runs a subcommand.
pub(crate) async fn run(here: &Here, command: Token) -> Result<()> {
    let remote = Remote::new(here.address.clone())?;
    match command {
        Token::List => list(here, &remote).await,
        Token::Create { name, scopes, expires } => {
            create(here, &remote, NewToken { name, scopes, expires_in: expires }).await
        }
        Token::Revoke { tokens } => revoke(here, &remote, &tokens).await,
    }
}

async fn all(here: &Here, remote: &Remote) -> Result<Vec<TokenInfo>> {
    let tokens = remote.fetch::<TokenList>(remote.get("/api/tokens"), &token(here)?).await?.tokens;
    if tokens.iter().all(|token| is_id(&token.id)) {
        return Ok(tokens);
    }
    Err(Failure::untrusted(&here.address, "an invalid token ID"))
}

/// Whether this can be part of a path and of a command.
fn is_id(id: &str) -> bool {
    (1..=64).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

async fn list(here: &Here, remote: &Remote) -> Result<()> {
    let tokens = all(here, remote).await?;
    if here.json {
        output::json(&tokens);
        return Ok(());
    }
    let now = clock::now();
    let rows: Vec<Vec<String>> = tokens.iter().map(|token| row(token, now)).collect();
    output::table(
        &["TOKEN", "NAME", "SCOPES", "CREATED", "LAST USED", "STATUS"],
        &rows,
        "You have no API tokens. To create one, run: skaas token create NAME",
    );
    Ok(())
}

fn row(token: &TokenInfo, now: Timestamp) -> Vec<String> {
    let used = match (&token.last_used_at, &token.last_used_from) {
        (None, _) => "never".to_owned(),
        (Some(at), None) => day(*at),
        (Some(at), Some(from)) => format!("{} from {}", day(*at), plain(from)),
    };
    let state = if token.revoked_at.is_some() {
        "revoked".to_owned()
    } else {
        match token.expires_at {
            Some(end) if end <= now => "expired".to_owned(),
            Some(end) => format!("expires {}", day(end)),
            None if token.current => "this machine".to_owned(),
            None => "active".to_owned(),
        }
    };
    vec![plain(&token.prefix), plain(&token.name), plain(&token.scopes), day(token.created_at), used, state]
}

fn day(at: Timestamp) -> String {
    at.strftime("%Y-%m-%d").to_string()
}

async fn create(here: &Here, remote: &Remote, wanted: NewToken) -> Result<()> {
    let token = token(here)?;
    let created: CreatedToken = remote.fetch(remote.post("/api/tokens").json(&wanted), &token).await?;
    account::check_token(&here.address, &created.token)?;
    if !is_id(&created.info.id) {
        return Err(Failure::untrusted(&here.address, "an invalid token ID"));
    }
    if here.json {
        output::json(&created);
    } else {
        output::line(created.token.reveal());
        output::note(&format!(
            "Token {} ({}). Save it now: it is not shown again. To revoke it, run: {} {}",
            plain(&created.info.name),
            plain(&created.info.scopes),
            output::typed("skaas token revoke"),
            created.info.id
        ));
    }
    Ok(())
}

#[derive(Serialize)]
struct Revoked {
    revoked: Vec<String>,
}

/// Finds a token by its ID, its public part, or the 8 characters in that.
fn named<'a>(tokens: &'a [TokenInfo], name: &str) -> Option<&'a TokenInfo> {
    tokens.iter().find(|token| {
        token.id == name || token.prefix == name || token.prefix.rsplit('_').next() == Some(name)
    })
}

async fn revoke(here: &Here, remote: &Remote, names: &[String]) -> Result<()> {
    let token = token(here)?;
    let tokens = all(here, remote).await?;
    // All names are looked up first, so that a mistyped one changes nothing.
    let meant = names
        .iter()
        .map(|name| {
            named(&tokens, name).ok_or_else(|| {
                // What was typed may be a secret of some other kind.
                let short = name.len() <= 16 || (name.starts_with("tok_") && name.len() <= 30);
                let shown = if short { plain(name) } else { "[not shown]".to_owned() };
                Failure::new(Kind::NotFound, format!("you have no token `{shown}`"))
                    .why("nothing was revoked")
                    .next("skaas token list")
            })
        })
        .collect::<Result<Vec<_>>>()?;
    let mut revoked = Vec::new();
    for info in meant {
        let request = remote.delete(&format!("/api/tokens/{}", info.id)).bearer_auth(token.reveal());
        let answer = remote.send(request).await?;
        if !answer.status.is_success() {
            return Err(remote.refusal(&answer));
        }
        if !here.json {
            output::line(&format!("Revoked {} ({}).", plain(&info.prefix), plain(&info.name)));
        }
        if info.current {
            let auth = output::typed(&here.address.auth());
            output::note(&format!("note: this machine used that token; to sign in again, run: {auth}"));
        }
        revoked.push(info.id.clone());
    }
    if here.json {
        output::json(&Revoked { revoked });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(id: &str, prefix: &str) -> TokenInfo {
        TokenInfo {
            id: id.into(),
            name: "laptop".into(),
            prefix: prefix.into(),
            scopes: "full".into(),
            current: false,
            created_at: Timestamp::UNIX_EPOCH,
            last_used_at: None,
            last_used_from: None,
            expires_at: None,
            revoked_at: None,
            parent: None,
        }
    }

    #[test]
    fn a_token_is_named_by_its_id_its_start_or_its_eight_characters_only() {
        let tokens = [info("tok_1", "sk_live_Xy12Ab9Q"), info("tok_2", "sk_live_Zz12Ab9Q")];
        for name in ["tok_2", "sk_live_Zz12Ab9Q", "Zz12Ab9Q"] {
            assert_eq!(named(&tokens, name).map(|token| &*token.id), Some("tok_2"), "{name}");
        }
        for name in ["", "live", "sk_live_", "12Ab9Q", "tok_"] {
            assert!(named(&tokens, name).is_none(), "{name}");
        }
    }

    #[test]
    fn a_token_at_its_end_is_shown_as_expired() {
        let end = Timestamp::UNIX_EPOCH;
        let token = TokenInfo { expires_at: Some(end), ..info("tok_1", "sk_live_Xy12Ab9Q") };
        assert_eq!(row(&token, end).last().map(String::as_str), Some("expired"));
        assert_eq!(row(&token, Timestamp::MIN).last().map(String::as_str), Some("expires 1970-01-01"));
    }
}
