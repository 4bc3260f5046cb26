//! `skaas-server`: see [`skaas_server::run`].

fn main() -> std::process::ExitCode {
    skaas_server::run()
}
