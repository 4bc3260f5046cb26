//! `skaas-server`: see [`skaas_server::run`].

/// A request allocates some sixty times, which costs twice the instructions with the system's allocator.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    skaas_server::run()
}
