//! Reads the command line, and turns what clap rejects into a failure like any other: one exit code, JSON where
//! `--json` asks for it, and no secret in the message.

use std::{
    ffi::{OsStr, OsString},
    process::ExitCode,
};

use clap::{Parser as _, error::ErrorKind};

use crate::{
    arguments::Arguments,
    failure::{Failure, Kind},
    output,
};

/// An argument of this length or more may be a secret of any kind; error messages leave it out.
const MAYBE_SECRET: usize = 20;

/// Parses the command line. What is left to do after an error, or after `--help`, is in the exit code.
pub(crate) fn parse(args: &[OsString]) -> Result<Arguments, ExitCode> {
    let as_json = args.iter().take_while(|arg| *arg != "--").any(|arg| arg == "--json");
    if args.iter().any(|arg| holds_token(arg)) {
        return Err(output::fail(&token_in_argument(), as_json));
    }
    Arguments::try_parse_from(args).map_err(|error| {
        if !error.use_stderr() {
            output::line(error.render().ansi().to_string().trim_end());
            return ExitCode::SUCCESS;
        }
        if as_json {
            return output::fail(&rejected(&error, args), true);
        }
        output::note(without_secrets(&error.render().ansi().to_string(), args).trim_end());
        ExitCode::from(Kind::Usage.code())
    })
}

fn token_in_argument() -> Failure {
    Failure::new(Kind::Usage, "an argument contains a token")
        .why("other users of this machine can see arguments, and your shell saves them in its history")
        .next("revoke that token, then pass the new one on standard input: skaas auth --with-token")
}

/// Whether an argument holds a whole token. `sk_live_` and 8 characters are a token's public name.
fn holds_token(arg: &OsStr) -> bool {
    let arg = arg.to_string_lossy();
    arg.match_indices("sk_").any(|(at, head)| {
        if arg[..at].ends_with(|c: char| c.is_ascii_alphanumeric()) {
            return false;
        }
        let rest = &arg[at + head.len()..];
        let run = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(rest.len());
        let secret = rest[..run].split_once('_').map_or("", |(_, secret)| secret);
        secret.len() > 12
    })
}

/// The failure for programs: the first paragraph of what clap says, without its usage line.
fn rejected(error: &clap::Error, args: &[OsString]) -> Failure {
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Failure::new(Kind::Usage, "a command is missing").next("skaas --help");
    }
    let text = without_secrets(&error.render().to_string(), args);
    let mut lines = text.lines().map(str::trim).take_while(|line| !line.starts_with("Usage:"));
    let what = lines.next().unwrap_or_default().trim_start_matches("error: ").to_owned();
    let why: Vec<&str> = lines.filter(|line| !line.is_empty()).collect();
    let failure = Failure::new(Kind::Usage, what).next("skaas --help");
    if why.is_empty() { failure } else { failure.why(why.join("; ")) }
}

/// The text without any argument that is long enough to be a secret.
fn without_secrets(text: &str, args: &[OsString]) -> String {
    let words = args.iter().skip(1).map(|arg| arg.to_string_lossy());
    words.fold(text.to_owned(), |text, word| {
        let value =
            word.split_once('=').filter(|_| word.starts_with("--")).map_or(&*word, |(_, value)| value);
        if value.len() < MAYBE_SECRET { text } else { text.replace(value, "[not shown]") }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_token_is_recognized_and_its_public_name_is_not() {
        for token in [
            "sk_live_Xy12Ab9Q_0123456789abcdefghijklmnopqrstuvABCDEF",
            "--token=sk_live_Xy12Ab9Q_0123456789abcdefghijklmnopqrstuvABCDEF",
            "https://alice:sk_live_Xy12Ab9Q_0123456789abcdef@skills.example.com",
        ] {
            assert!(holds_token(OsStr::new(token)), "{token}");
        }
        for name in [
            "sk_live_Xy12Ab9Q",
            "Xy12Ab9Q",
            "tok_01ARZ3NDEKTSV4RRFFQ69G5FAV",
            "sk_",
            "desk_at_headquarters_1",
        ] {
            assert!(!holds_token(OsStr::new(name)), "{name}");
        }
    }

    #[test]
    fn long_arguments_are_left_out_of_messages() {
        let args: Vec<OsString> = ["skaas", "auth", "ghp_abcdefghijklmnopqrstuvwxyz"].map(Into::into).into();
        let text = "unexpected argument 'ghp_abcdefghijklmnopqrstuvwxyz' found for auth";
        assert_eq!(without_secrets(text, &args), "unexpected argument '[not shown]' found for auth");
    }
}
