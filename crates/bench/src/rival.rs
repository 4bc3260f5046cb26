//! Owns the rival: nginx, fcgiwrap and `git http-backend` as Debian ships them, on bare repositories of the
//! same commits. Refuses to hold it back: everything that costs it time for nothing is turned off.

use std::{
    fs,
    io::Write as _,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::Command,
    thread,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    git::{Person, isolate},
    meter::Meter,
    process::{Running, answers, free_port, loopback},
};

/// The rival, running.
pub(crate) struct Rival {
    pub(crate) address: SocketAddr,
    folder: PathBuf,
    repos: PathBuf,
    // Ended in this order.
    _nginx: Running,
    _fcgiwrap: Running,
    pub(crate) meter: Meter,
}

/// How a repository is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing<'a> {
    /// Its newest state alone, in one commit, packed: the best case for clones, since nothing in it is kept
    /// as a difference to something that a clone of depth 1 leaves out.
    Tip,
    /// Everything up to this commit packed, and the newest pushed after that: as it is when an update has
    /// just been made and is about to be pulled.
    Pushed(&'a str),
    /// Both commits, `git repack -adf`.
    Repacked,
    /// The same with reachability bitmaps.
    Bitmaps,
}

impl Rival {
    /// Starts it in `folder`; nobody is admitted yet.
    pub(crate) fn start(folder: &Path) -> Result<Self> {
        let repos = folder.join("repos");
        for made in [folder, &repos, &folder.join("tmp"), &folder.join("home")] {
            fs::create_dir_all(made)?;
        }
        let workers = thread::available_parallelism().map_or(2, usize::from);
        let mut meter = Meter::new("rival");
        let (nginx, fcgiwrap) = (find("nginx")?, find("fcgiwrap")?);
        let socket = folder.join("cgi.sock");
        let mut command = meter.command(fcgiwrap);
        isolate(&mut command, &folder.join("home"));
        command.arg("-c").arg(workers.to_string()).arg("-s").arg(format!("unix:{}", socket.display()));
        let mut wrapper = Running::start(command, &mut meter, &folder.join("fcgiwrap.log"))?;
        wrapper.wait_for(|| socket.exists().then_some(()))?;

        fs::write(folder.join("passwords"), "")?;
        let port = free_port()?;
        let config = configuration(folder, port, workers)?;
        let path = folder.join("nginx.conf");
        fs::write(&path, config)?;
        let mut command = meter.command(nginx);
        isolate(&mut command, &folder.join("home"));
        command.arg("-p").arg(folder).arg("-c").arg(&path).arg("-e").arg(folder.join("nginx.errors"));
        let mut server = Running::start(command, &mut meter, &folder.join("nginx.log"))?;
        let address = loopback(port);
        server.wait_for(|| answers(address))?;
        Ok(Self { address, meter, folder: folder.to_owned(), repos, _nginx: server, _fcgiwrap: wrapper })
    }

    /// Lets a person in; nginx reads the file at every request.
    pub(crate) fn admit(&self, person: &Person) -> Result<()> {
        let mut file = fs::OpenOptions::new().append(true).open(self.folder.join("passwords"))?;
        Ok(writeln!(file, "{}:{{PLAIN}}{}", person.username, person.token)?)
    }

    /// Offers the commits of `checkout` under `path`.
    pub(crate) fn add(
        &self,
        person: &Person,
        checkout: &Path,
        path: &str,
        packing: Packing<'_>,
    ) -> Result<()> {
        let bare = self.repos.join(path);
        fs::create_dir_all(bare.parent().context("a repo has a folder")?)?;
        let from = checkout.to_string_lossy();
        let to = bare.to_string_lossy();
        person.git(&self.repos, &["clone", "-q", "--bare", "--no-local", &from, &to])?;
        match packing {
            Packing::Tip => {
                let alone = person.git(&bare, &["commit-tree", "-m", "newest", "HEAD^{tree}"])?;
                person.git(&bare, &["update-ref", "refs/heads/main", alone.trim()])?;
            }
            Packing::Pushed(old) => {
                person.git(&bare, &["update-ref", "refs/heads/main", old])?;
            }
            Packing::Repacked | Packing::Bitmaps => {}
        }
        let bitmaps = packing == Packing::Bitmaps;
        person.git(&bare, &["config", "repack.writeBitmaps", if bitmaps { "true" } else { "false" }])?;
        person.git(&bare, &["repack", if bitmaps { "-adfbq" } else { "-adfq" }])?;
        if let Packing::Pushed(_) = packing {
            person.git(checkout, &["push", "-q", &to, "HEAD:main"])?;
        }
        Ok(())
    }
}

/// A program, in the places where Debian puts it and then anywhere.
fn find(program: &str) -> Result<PathBuf> {
    let usual = Path::new("/usr/sbin").join(program);
    if usual.exists() {
        return Ok(usual);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|candidate| candidate.exists())
        .with_context(|| format!("{program} is not installed: apt-get install nginx-light fcgiwrap"))
}

fn backend() -> Result<String> {
    let output = Command::new("git").arg("--exec-path").output()?;
    let folder = String::from_utf8(output.stdout)?;
    let path = format!("{}/git-http-backend", folder.trim());
    if !Path::new(&path).exists() {
        bail!("{path} does not exist: install git with its http-backend");
    }
    Ok(path)
}

/// No access log, answers buffered in memory, connections kept, the cheapest form of password.
fn configuration(folder: &Path, port: u16, workers: usize) -> Result<String> {
    let user = if fs::metadata("/proc/self").is_ok_and(|own| is_root(&own)) { "user root;\n" } else { "" };
    let folder = folder.display();
    Ok(format!(
        "{user}daemon off;\nworker_processes {workers};\npid {folder}/nginx.pid;\nerror_log {folder}/nginx.errors warn;\n\
         events {{ worker_connections 1024; }}\n\
         http {{\n  access_log off;\n  server_tokens off;\n  gzip off;\n  tcp_nodelay on;\n\
         \x20 keepalive_requests 100000000;\n  keepalive_timeout 120s;\n\
         \x20 client_body_temp_path {folder}/tmp/body;\n  proxy_temp_path {folder}/tmp/proxy;\n\
         \x20 fastcgi_temp_path {folder}/tmp/fastcgi;\n  uwsgi_temp_path {folder}/tmp/uwsgi;\n\
         \x20 scgi_temp_path {folder}/tmp/scgi;\n\
         \x20 server {{\n    listen 127.0.0.1:{port};\n    client_max_body_size 0;\n\
         \x20   auth_basic \"benchmark\";\n    auth_basic_user_file {folder}/passwords;\n\
         \x20   location / {{\n      fastcgi_pass unix:{folder}/cgi.sock;\n\
         \x20     fastcgi_buffers 64 64k;\n      fastcgi_buffer_size 64k;\n      fastcgi_busy_buffers_size 128k;\n\
         \x20     fastcgi_max_temp_file_size 0;\n\
         \x20     fastcgi_param SCRIPT_FILENAME {backend};\n      fastcgi_param GIT_PROJECT_ROOT {folder}/repos;\n\
         \x20     fastcgi_param GIT_HTTP_EXPORT_ALL \"\";\n      fastcgi_param GIT_PROTOCOL $http_git_protocol;\n\
         \x20     fastcgi_param PATH_INFO $uri;\n      fastcgi_param QUERY_STRING $query_string;\n\
         \x20     fastcgi_param REQUEST_METHOD $request_method;\n      fastcgi_param CONTENT_TYPE $content_type;\n\
         \x20     fastcgi_param CONTENT_LENGTH $content_length;\n      fastcgi_param REMOTE_USER $remote_user;\n\
         \x20     fastcgi_param REMOTE_ADDR $remote_addr;\n    }}\n  }}\n}}\n",
        backend = backend()?,
    ))
}

fn is_root(own: &fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    own.uid() == 0
}
