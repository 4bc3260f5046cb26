//! `skaas git-credential`, which git calls when it needs a password (gitcredentials(7)). It answers for the servers
//! that this machine is signed in to, and prints nothing for any other.

use std::io::Read as _;

use crate::{address::Address, arguments::CredentialAct, failure::Result, hosts::Hosts, output};

/// More than git ever sends.
const MAX_INPUT: u64 = 64 << 10;

#[derive(Debug, Default, PartialEq, Eq)]
struct Asked {
    protocol: String,
    host: String,
    username: Option<String>,
    password: Option<String>,
}

fn parse(input: &str) -> Asked {
    let mut asked = Asked::default();
    for (key, value) in
        input.lines().take_while(|line| !line.is_empty()).filter_map(|line| line.split_once('='))
    {
        match key {
            "protocol" => value.clone_into(&mut asked.protocol),
            "host" => value.clone_into(&mut asked.host),
            "username" => asked.username = Some(value.to_owned()),
            "password" => asked.password = Some(value.to_owned()),
            _ => {}
        }
    }
    asked
}

/// Answers git.
pub(crate) fn run(act: CredentialAct) -> Result<()> {
    let mut input = Vec::new();
    drop(std::io::stdin().lock().take(MAX_INPUT).read_to_end(&mut input));
    let asked = parse(&String::from_utf8_lossy(&input));
    // Plain HTTP is allowed here because only servers in our record get an answer.
    let Ok(address) = Address::parse(&format!("{}://{}", asked.protocol, asked.host), true) else {
        return Ok(());
    };
    let hosts = Hosts::load()?;
    let Some(host) = hosts.get(&address) else { return Ok(()) };
    match act {
        CredentialAct::Get => {
            if asked.username.as_ref().is_some_and(|name| *name != host.username) {
                let name = output::plain(asked.username.as_deref().unwrap_or_default());
                output::note(&format!("skaas: signed in to {address} as {}, not as {name}", host.username));
                return Ok(());
            }
            let Some(token) = host.token(&address) else {
                output::note(&format!(
                    "skaas: the token for {address} is missing; run: {}",
                    output::typed(&address.auth())
                ));
                return Ok(());
            };
            output::raw(format!("username={}\npassword={}\n", host.username, token.reveal()).as_bytes());
        }
        // git confirms that our token worked.
        CredentialAct::Store => {}
        // The record stays: `skaas logout` and `skaas doctor` need it.
        CredentialAct::Erase => {
            let token = host.token(&address);
            if token.is_some_and(|token| asked.password.as_deref() == Some(token.reveal())) {
                output::note(&format!(
                    "skaas: {address} rejected this machine's token (revoked or expired); run: {}",
                    output::typed(&address.auth())
                ));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_git_says_is_read_up_to_the_empty_line() {
        let asked = parse("capability[]=authtype\nprotocol=https\nhost=a:8443\nusername=x=y\n\nhost=evil\n");
        let expected = Asked {
            protocol: "https".into(),
            host: "a:8443".into(),
            username: Some("x=y".into()),
            password: None,
        };
        assert_eq!(asked, expected);
    }

    proptest! {
        #[test]
        fn no_input_makes_it_panic(text: String) {
            let asked = parse(&text);
            let _ = Address::parse(&format!("{}://{}", asked.protocol, asked.host), true);
        }
    }
}
