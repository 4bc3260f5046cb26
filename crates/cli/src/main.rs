//! `skaas`: see [`skaas_cli::run`].

fn main() -> std::process::ExitCode {
    skaas_cli::run()
}
