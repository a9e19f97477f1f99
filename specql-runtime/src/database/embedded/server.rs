//! Starting a server, sharing it and letting it go.

use std::{
    fs::{self, File, OpenOptions},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use sqlx::{ConnectOptions, Connection, postgres::PgConnectOptions};

use super::{
    EmbeddedError,
    account::Account,
    binaries::{self, Binaries},
    bootstrap, fetch,
    folder::{Folder, Plan},
};

/// How long a start may take: recovery after a crash reads the write-ahead log.
const START_SECONDS: u64 = 60;

/// Starts the server (the arguments after the folder and `keep`/`remove`; none: one that runs already), waits until
/// nobody holds the lifeline any more, and stops it. It runs as the server's user and outlives a killed application.
///
/// When its server has died, another one with a supervisor and a lifeline of its own may be there before this one comes to its
/// end: it touches neither.
const SUPERVISOR: &str = r#"
folder=$1; afterwards=$2; shift 2
running() { head -n 1 "$folder/data/postmaster.pid" 2>/dev/null; }
lifeline() { ls -i "$folder/lifeline" 2>/dev/null; }
rm -f "$folder/lifeline"; mkfifo -m 600 "$folder/lifeline" || exit 1
mine=$(lifeline)
if [ $# -gt 0 ]; then "$@" </dev/null >>"$folder/server.log" 2>&1 & server=$!; else server=$(running); fi
exec 3<"$folder/lifeline"
cat <&3 >/dev/null
if [ "$(lifeline)" = "$mine" ]; then rm -f "$folder/lifeline"; fi
exec 3<&-
if [ "$(running)" = "$server" ]; then kill -INT "$server"; fi
wait
if [ "$afterwards" = remove ]; then
    while [ -e "$folder/data/postmaster.pid" ]; do sleep 0.1; done
    rm -rf "$folder"
fi
"#;

/// A running server, for as long as this value lives and after that for as long as another process uses it.
#[derive(Debug)]
pub struct Server {
    folder: Folder,
    /// The writing end: the supervisor sees when the last one closes.
    _lifeline: File,
}

impl Server {
    /// Uses the planned server, starting (and creating) it where that is needed.
    ///
    /// # Errors
    /// [`EmbeddedError`], for the person who started the application.
    pub async fn start(plan: Plan) -> Result<Self, EmbeddedError> {
        let account = Account::current()?;
        let (folder, lock) = claim(&plan, &account).await?;
        tracing::debug!(folder = %folder.path.display(), "the embedded database's data");

        let deadline = Instant::now() + Duration::from_secs(START_SECONDS);
        let command = match find_running(&folder, deadline).await? {
            Found::Supervised(lifeline) => return Ok(Self { folder, _lifeline: lifeline }),
            Found::Orphan => Vec::new(),
            Found::Nothing => prepare_start(&plan, &folder, &account).await?,
        };
        // One whose supervisor is about to end would still open, and nobody would see it close.
        let stale = folder.lifeline();
        if let Err(error) = fs::remove_file(&stale)
            && error.kind() != std::io::ErrorKind::NotFound
        {
            return Err(EmbeddedError::io(stale)(error));
        }
        spawn_supervisor(&folder, &account, &command, plan.disposable)?;
        let lifeline = loop {
            if let Some(lifeline) = open_lifeline(&folder) {
                break lifeline;
            }
            not_later(deadline, &folder)?;
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        while !answers(&folder).await {
            not_later(deadline, &folder)?;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
        drop(lock);
        Ok(Self { folder, _lifeline: lifeline })
    }

    /// How the application `app` connects: as owner of its own database, which [`Server::database`] made.
    #[must_use]
    pub fn connect_options(&self, app: &str) -> PgConnectOptions {
        connect_options(&self.folder).username(bootstrap::OWNER).database(&bootstrap::database_name(app))
    }

    /// How the superuser connects, for what only it can do (extensions).
    #[must_use]
    pub fn superuser_options(&self) -> PgConnectOptions {
        connect_options(&self.folder).username("postgres").database("postgres")
    }

    /// Makes the application's role and database where they are missing.
    ///
    /// # Errors
    /// When the server does not let us.
    pub async fn database(&self, app: &str) -> Result<(), EmbeddedError> {
        bootstrap::bootstrap(&self.superuser_options(), &bootstrap::database_name(app))
            .await
            .map_err(EmbeddedError::Connect)
    }

    /// A URL for programs that take one, such as `psql`.
    #[must_use]
    pub fn url(&self, user: &str, database: &str) -> String {
        let sockets = self.folder.sockets.display().to_string().replace('%', "%25").replace(' ', "%20");
        format!("postgres://{user}@localhost/{database}?host={sockets}&port=5432")
    }
}

fn connect_options(folder: &Folder) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass().socket(&folder.sockets).port(5432).application_name("specql")
}

/// The server's folder, and the lock that lets one starter at it at a time, over all processes. The kernel releases it if we are
/// killed.
async fn claim(plan: &Plan, account: &Account) -> Result<(Folder, File), EmbeddedError> {
    let places = plan.places();
    let mut place = 0;
    loop {
        let folder = Folder::prepare(&places[place], account)?;
        let lock = lock(&folder).await?;
        let is_ours = match &plan.project {
            None => true,
            Some(project) => folder.belongs_to(project)?,
        };
        if is_ours || place + 1 == places.len() {
            return Ok((folder, lock));
        }
        let other = folder.path.display();
        tracing::info!(
            "the data in `{other}` is that of another project with the same name: this one has its own beside it"
        );
        place += 1;
    }
}

async fn lock(folder: &Folder) -> Result<File, EmbeddedError> {
    let path = folder.path.join("lock");
    let file =
        OpenOptions::new().create(true).truncate(false).write(true).open(&path).map_err(EmbeddedError::io(&path))?;
    tokio::task::spawn_blocking(move || file.lock().map(|()| file))
        .await
        .map_err(std::io::Error::other)
        .flatten()
        .map_err(EmbeddedError::io(path))
}

/// What runs in a folder.
enum Found {
    /// A server with a supervisor, whose lifeline we now hold.
    Supervised(File),
    /// A server whose supervisor was killed: it gets a new one.
    Orphan,
    Nothing,
}

/// How long a server without a supervisor may answer before it is taken for an orphan: one that is about to be stopped
/// has no supervisor either.
const ORPHAN_AFTER: Duration = Duration::from_secs(1);

/// Waits for a server that is starting, recovering or shutting down, and says what there is then.
async fn find_running(folder: &Folder, deadline: Instant) -> Result<Found, EmbeddedError> {
    let mut unsupervised_since = None;
    loop {
        match probe(folder).await {
            Probe::Silent => return Ok(Found::Nothing),
            Probe::Busy => {}
            Probe::Answers => {
                if let Some(lifeline) = open_lifeline(folder) {
                    return Ok(Found::Supervised(lifeline));
                }
                let since = *unsupervised_since.get_or_insert_with(Instant::now);
                if since.elapsed() > ORPHAN_AFTER {
                    return Ok(Found::Orphan);
                }
            }
        }
        not_later(deadline, folder)?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

enum Probe {
    Answers,
    /// It says that it is starting up or shutting down (SQLSTATE 57P03).
    Busy,
    Silent,
}

async fn probe(folder: &Folder) -> Probe {
    let options = connect_options(folder).username("postgres").database("postgres");
    match options.connect().await {
        Ok(connection) => {
            // The answer counts, not how the farewell goes.
            let _ = connection.close().await;
            Probe::Answers
        }
        Err(sqlx::Error::Database(error)) if error.code().as_deref() == Some("57P03") => Probe::Busy,
        Err(_) => Probe::Silent,
    }
}

async fn answers(folder: &Folder) -> bool {
    matches!(probe(folder).await, Probe::Answers)
}

fn not_later(deadline: Instant, folder: &Folder) -> Result<(), EmbeddedError> {
    if Instant::now() < deadline {
        return Ok(());
    }
    Err(EmbeddedError::NotReady { folder: folder.path.clone(), seconds: START_SECONDS, log: folder.log_tail() })
}

/// Opens the writing end. `None`: there is no pipe, or no supervisor reads it.
fn open_lifeline(folder: &Folder) -> Option<File> {
    let nonblocking = i32::try_from(rustix::fs::OFlags::NONBLOCK.bits()).ok()?;
    OpenOptions::new().write(true).custom_flags(nonblocking).open(folder.lifeline()).ok()
}

/// Finds the binaries, makes the data folder, and says how the server is started.
async fn prepare_start(plan: &Plan, folder: &Folder, account: &Account) -> Result<Vec<String>, EmbeddedError> {
    let (plan, folder, account) = (plan.clone(), folder.clone(), account.clone());
    let work = move || {
        let binaries = choose(&plan, &folder.data())?;
        if !folder.data().exists() {
            announce(&binaries, &folder, &account, plan.disposable);
            initialise(&binaries, &folder, &account)?;
        }
        Ok(start_command(&binaries, &folder, plan.disposable))
    };
    tokio::task::spawn_blocking(work)
        .await
        .map_err(|error| EmbeddedError::io("initdb")(std::io::Error::other(error)))?
}

/// The binaries to use: those of the data's version, where there is data.
fn choose(plan: &Plan, data: &Path) -> Result<Binaries, EmbeddedError> {
    let installed = binaries::installed()?;
    let Some(version) = data_version(data) else {
        return match installed.into_iter().next() {
            Some(binaries) => Ok(binaries),
            None => fetch::private_copy(&plan.copies),
        };
    };
    if let Some(fitting) = installed.iter().find(|binaries| binaries.major == version) {
        return Ok(fitting.clone());
    }
    let copy = fetch::private_copy(&plan.copies).ok();
    if let Some(copy) = copy.clone().filter(|copy| copy.major == version) {
        return Ok(copy);
    }
    let mut found: Vec<String> = installed.iter().chain(copy.as_ref()).map(|one| one.major.to_string()).collect();
    found.dedup();
    let found = if found.is_empty() { "none".to_owned() } else { format!("PostgreSQL {}", found.join(", ")) };
    Err(EmbeddedError::Version { folder: data.to_owned(), data: version, found })
}

/// Major version that made the data.
fn data_version(data: &Path) -> Option<u32> {
    fs::read_to_string(data.join("PG_VERSION")).ok()?.trim().parse().ok()
}

fn announce(binaries: &Binaries, folder: &Folder, account: &Account, disposable: bool) {
    let user = match account {
        Account::Own => String::new(),
        Account::Other { name, .. } => format!(", running as user {name} (PostgreSQL refuses root)"),
    };
    let kind = if disposable { "a throw-away" } else { "the embedded" };
    eprintln!("specql: creating {kind} PostgreSQL {} in {}{user}", binaries.major, folder.path.display());
}

/// Makes the data folder: beside its place first, so that an interrupted initdb leaves no half of one.
fn initialise(binaries: &Binaries, folder: &Folder, account: &Account) -> Result<(), EmbeddedError> {
    let staging = folder.path.join("data.new");
    if staging.exists() {
        fs::remove_dir_all(&staging).map_err(EmbeddedError::io(&staging))?;
    }
    let program = binaries.folder.join("initdb");
    let output = account
        .command(&program)
        .args(["--username=postgres", "--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--pgdata"])
        .arg(&staging)
        .stdin(Stdio::null())
        .output()
        .map_err(EmbeddedError::io(&program))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        return Err(EmbeddedError::Program {
            program: program.display().to_string(),
            status: output.status.to_string(),
            output: text,
        });
    }
    fs::rename(&staging, folder.data()).map_err(EmbeddedError::io(folder.data()))
}

fn start_command(binaries: &Binaries, folder: &Folder, disposable: bool) -> Vec<String> {
    let mut command = vec![binaries.folder.join("postgres").display().to_string()];
    command.extend(["-D".to_owned(), folder.data().display().to_string()]);
    let mut set = |name: &str, value: &str| command.extend(["-c".to_owned(), format!("{name}={value}")]);
    set("listen_addresses", "");
    set("unix_socket_directories", &folder.sockets.display().to_string());
    set("unix_socket_permissions", "0700");
    set("port", "5432");
    set("max_connections", "200");
    if disposable {
        set("fsync", "off");
        set("synchronous_commit", "off");
        set("full_page_writes", "off");
    }
    command
}

fn spawn_supervisor(
    folder: &Folder,
    account: &Account,
    command: &[String],
    disposable: bool,
) -> Result<(), EmbeddedError> {
    let shell = Path::new("/bin/sh");
    account
        .command(shell)
        .args(["-c", SUPERVISOR, "specql-postgres-supervisor"])
        .arg(&folder.path)
        .arg(if disposable { "remove" } else { "keep" })
        .args(command)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .map_err(EmbeddedError::io(shell))?;
    Ok(())
}
