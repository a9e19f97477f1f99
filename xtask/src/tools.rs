//! What the tests need besides Rust: a PostgreSQL with `plpgsql_check`, poolers for it, and stand-ins for the services that the HTTP runner
//! calls. Installed where that is possible, into `target/test-tools` where it needs no rights.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, bail};

use crate::{
    command::{cargo, run, say, succeeds, tools_folder},
    pgbouncer,
};

/// Debian 12's major version of PostgreSQL.
const MAJOR: &str = "15";
/// Stateful Stripe, from PyPI. Pinned: a test compares its answers.
const LOCALSTRIPE: &str = "localstripe==1.15.10";
/// PostgreSQL's own grammar, from PyPI. Pinned: a version reads one PostgreSQL's SQL.
const PGLAST: &str = "pglast==8.8";
/// What `examples/python/worker.py` speaks PostgreSQL's protocol with, from PyPI.
const PSYCOPG: &str = "psycopg[binary]==3.3.9";
/// A Stripe that honours `Idempotency-Key`, from npm.
const STRIPE_MOCK: &str = "stripe-stateful-mock@0.0.16";

/// The tool that applies plain sqlx migrations, from crates.io. Pinned to the sqlx that the runtime uses: they share a table.
const SQLX_CLI: &str = "0.9.0";

/// Where the tools are.
#[derive(Debug)]
pub(crate) struct Tools {
    /// A Python environment with localstripe, pglast and psycopg.
    pub(crate) venv: PathBuf,
    /// A folder with `node_modules`.
    pub(crate) node: PathBuf,
    /// sqlx-cli's `sqlx`.
    pub(crate) sqlx: PathBuf,
    /// A folder with PgBouncers.
    pub(crate) pgbouncer: PathBuf,
    /// The extension's library, where it is not installed in the server's own folders.
    pub(crate) plpgsql_check: Option<PathBuf>,
    /// libfaketime, where it is not installed in the system's folders.
    pub(crate) faketime: Option<PathBuf>,
}

/// Finds or installs all of them.
pub(crate) fn set_up() -> anyhow::Result<Tools> {
    say("what the tests need");
    fs::create_dir_all(tools_folder())?;
    let plpgsql_check = postgres().context("the database tests need PostgreSQL 15 and its extension plpgsql_check")?;
    let faketime = faketime().context("the tests of wrong clocks need libfaketime")?;
    let venv = python().context("the tests need localstripe, pglast and psycopg, which are Python")?;
    let node = stripe_mock().context("the end-to-end tests need stripe-stateful-mock, a Node.js program")?;
    let sqlx = sqlx_cli().context("the tests of migrations need sqlx-cli, which Cargo builds")?;
    let pgbouncer = pgbouncer::set_up().context("the tests of poolers need PgBouncer")?;
    Ok(Tools { venv, node, sqlx, pgbouncer, plpgsql_check, faketime })
}

/// PostgreSQL and plpgsql_check. `Some`: the extension's library outside the server's own folders.
fn postgres() -> anyhow::Result<Option<PathBuf>> {
    let server = Path::new("/usr/lib/postgresql").join(MAJOR);
    let library = server.join("lib/plpgsql_check.so");
    let unpacked = tools_folder().join("debian");
    let unpacked_library = unpacked.join(format!("usr/lib/postgresql/{MAJOR}/lib/plpgsql_check.so"));
    if server.join("bin/postgres").exists() && library.exists() {
        println!("   PostgreSQL {MAJOR} with plpgsql_check: installed");
        return Ok(None);
    }
    if server.join("bin/postgres").exists() && unpacked_library.exists() {
        println!("   PostgreSQL {MAJOR}: installed; plpgsql_check: unpacked in target/test-tools");
        return Ok(Some(unpacked_library));
    }
    let extension = format!("postgresql-{MAJOR}-plpgsql-check");
    if is_root() {
        println!("   installing PostgreSQL {MAJOR} and plpgsql_check with apt-get");
        run(apt(&["update", "-qq"]))?;
        run(apt(&["install", "-y", "-qq", "--no-install-recommends", &format!("postgresql-{MAJOR}"), &extension]))?;
        return Ok(None);
    }
    if !server.join("bin/postgres").exists() {
        bail!("run `apt-get install postgresql-{MAJOR} {extension}` as root, or this command as root");
    }
    println!("   unpacking plpgsql_check beside the installed PostgreSQL (this needs no root)");
    unpack(&extension, &unpacked)?;
    Ok(Some(unpacked_library))
}

/// libfaketime, which tells a process another time. `Some`: the library outside the system's folders.
fn faketime() -> anyhow::Result<Option<PathBuf>> {
    let folder = format!("usr/lib/{}-linux-gnu/faketime", std::env::consts::ARCH);
    let library = |root: &Path| root.join(&folder).join("libfaketime.so.1");
    let unpacked = tools_folder().join("debian-faketime");
    if library(Path::new("/")).exists() {
        println!("   libfaketime: installed");
        return Ok(None);
    }
    if !library(&unpacked).exists() {
        if is_root() {
            println!("   installing libfaketime with apt-get");
            run(apt(&["update", "-qq"]))?;
            run(apt(&["install", "-y", "-qq", "--no-install-recommends", "libfaketime"]))?;
            return Ok(None);
        }
        println!("   unpacking libfaketime (this needs no root)");
        unpack("libfaketime", &unpacked)?;
    }
    println!("   libfaketime: unpacked in target/test-tools");
    Ok(Some(library(&unpacked)))
}

/// Downloads a package of Debian's and unpacks it into a folder.
fn unpack(package: &str, folder: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(folder)?;
    let mut download = Command::new("apt-get");
    download.args(["download", package]).current_dir(folder);
    run(download)?;
    let archive = fs::read_dir(folder)?
        .flatten()
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|extension| extension == "deb"))
        .context("apt-get downloaded no package")?;
    let mut unpack = Command::new("dpkg");
    unpack.arg("-x").arg(archive).arg(folder);
    run(unpack)
}

/// A Python environment with localstripe, pglast and psycopg.
fn python() -> anyhow::Result<PathBuf> {
    let venv = tools_folder().join("venv");
    let program = venv.join("bin/localstripe");
    let marker = venv.join(format!("{LOCALSTRIPE} {PGLAST} {PSYCOPG}"));
    if program.exists() && marker.exists() {
        println!("   {LOCALSTRIPE}, {PGLAST} and {PSYCOPG}: installed");
        return Ok(venv);
    }
    println!("   installing {LOCALSTRIPE}, {PGLAST} and {PSYCOPG} from PyPI");
    let make = || {
        let mut command = Command::new("python3");
        command.args(["-m", "venv", "--clear"]).arg(&venv);
        command
    };
    if !succeeds(make()) && is_root() {
        run(apt(&["install", "-y", "-qq", "--no-install-recommends", "python3", "python3-venv"]))?;
    }
    run(make()).context("`python3 -m venv` is needed: install the packages python3 and python3-venv")?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", LOCALSTRIPE, PGLAST, PSYCOPG]);
    run(pip)?;
    fs::write(marker, "")?;
    Ok(venv)
}

/// A folder with stripe-stateful-mock in its `node_modules`.
fn stripe_mock() -> anyhow::Result<PathBuf> {
    let folder = tools_folder().join("node");
    let marker = folder.join(STRIPE_MOCK);
    if marker.exists() {
        println!("   {STRIPE_MOCK}: installed");
        return Ok(folder);
    }
    println!("   installing {STRIPE_MOCK} from npm");
    if !succeeds(version("npm")) && is_root() {
        run(apt(&["install", "-y", "-qq", "--no-install-recommends", "nodejs", "npm"]))?;
    }
    fs::create_dir_all(&folder)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--prefix"]).arg(&folder).arg(STRIPE_MOCK);
    run(npm).context("`npm` is needed: install the packages nodejs and npm")?;
    fs::write(marker, "")?;
    Ok(folder)
}

/// sqlx-cli's `sqlx`: PostgreSQL and `sqlx.toml` alone, without TLS, not optimised: little more than a minute, once.
fn sqlx_cli() -> anyhow::Result<PathBuf> {
    let folder = tools_folder().join("sqlx");
    let program = folder.join("bin/sqlx");
    let marker = folder.join(format!("sqlx-cli@{SQLX_CLI}+toml"));
    if program.exists() && marker.exists() {
        println!("   sqlx-cli {SQLX_CLI}: installed");
        return Ok(program);
    }
    println!("   installing sqlx-cli {SQLX_CLI} from crates.io");
    let mut install =
        cargo(&["install", "sqlx-cli", "--version", SQLX_CLI, "--locked", "--debug", "--quiet", "--force"]);
    install.args(["--no-default-features", "--features", "postgres,sqlx-toml", "--root"]).arg(&folder);
    run(install)?;
    fs::write(marker, "")?;
    Ok(program)
}

fn version(program: &str) -> Command {
    let mut command = Command::new(program);
    command.arg("--version");
    command
}

fn apt(arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive");
    command
}

fn is_root() -> bool {
    Command::new("id").arg("-u").output().is_ok_and(|output| output.stdout.trim_ascii() == b"0")
}
