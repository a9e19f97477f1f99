//! Two versions of PgBouncer, from two of Debian's releases: the last before it could keep track of prepared statements, and one that can.
//!
//! They are unpacked with the libraries of their own release and nothing is installed: so this needs no root, starts no service,
//! and gives the same versions whatever release the machine has. apt itself checks what it downloads by Debian's signatures.

use std::{
    env::consts::ARCH,
    fs,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::Context as _;

use crate::command::{run, tools_folder};

/// A release of Debian's, and what of it PgBouncer needs to run.
struct Release {
    name: &'static str,
    /// How the version of its PgBouncer begins.
    version: &'static str,
    /// The package, and the libraries that it is linked with.
    packages: &'static [&'static str],
}

const RELEASES: [Release; 2] = [
    Release {
        name: "bookworm",
        version: "1.18.",
        packages: &[
            "pgbouncer",
            "libc6",
            "libgcc-s1",
            "libc-ares2",
            "libevent-2.1-7",
            "libssl3",
            "libpam0g",
            "libaudit1",
            "libcap-ng0",
            "libsystemd0",
            "libcap2",
            "libgcrypt20",
            "libgpg-error0",
            "liblzma5",
            "liblz4-1",
            "libzstd1",
        ],
    },
    Release {
        name: "trixie",
        version: "1.24.",
        packages: &[
            "pgbouncer",
            "libc6",
            "libgcc-s1",
            "libcares2",
            "libevent-2.1-7t64",
            "libssl3t64",
            "libpam0g",
            "libaudit1",
            "libcap-ng0",
            "libsystemd0",
            "libcap2",
            "libzstd1",
            "zlib1g",
        ],
    },
];

/// Finds or unpacks both. The folder holds a program `<release>/pgbouncer` for each.
pub(crate) fn set_up() -> anyhow::Result<PathBuf> {
    let folder = tools_folder().join("pgbouncer");
    for release in &RELEASES {
        let Release { name, version, .. } = release;
        let own = folder.join(name);
        let program = own.join("pgbouncer");
        if !is_version(&program, version) {
            println!("   unpacking PgBouncer {version}x of Debian {name} (this needs no root)");
            release.unpack(&own).with_context(|| format!("Debian's release {name} could not be had"))?;
            anyhow::ensure!(is_version(&program, version), "`{}` is no PgBouncer {version}x", program.display());
        }
        println!("   PgBouncer {version}x: unpacked in target/test-tools");
    }
    Ok(folder)
}

fn is_version(program: &Path, version: &str) -> bool {
    let answer = Command::new(program).arg("--version").output();
    answer.is_ok_and(|answer| String::from_utf8_lossy(&answer.stdout).contains(&format!("PgBouncer {version}")))
}

impl Release {
    /// Downloads and unpacks the packages into a folder of this release's own, and writes the program that runs them.
    fn unpack(&self, folder: &Path) -> anyhow::Result<()> {
        if folder.exists() {
            fs::remove_dir_all(folder)?;
        }
        let (downloads, root) = (folder.join("downloads"), folder.join("root"));
        for made in [&downloads, &root, &folder.join("lists/partial"), &folder.join("cache/archives/partial")] {
            fs::create_dir_all(made)?;
        }
        let sources = format!("deb http://deb.debian.org/debian {} main\n", self.name);
        fs::write(folder.join("sources.list"), sources)?;
        run(apt(folder, &["update", "-qq"]))?;
        let mut download = apt(folder, &["download", "-qq"]);
        download.args(self.packages).current_dir(&downloads);
        run(download)?;
        for package in fs::read_dir(&downloads)? {
            let mut unpack = Command::new("dpkg");
            unpack.arg("-x").arg(package?.path()).arg(&root);
            run(unpack)?;
        }
        // They take much room and have done their work.
        fs::remove_dir_all(folder.join("lists"))?;
        fs::remove_dir_all(folder.join("cache"))?;
        fs::remove_dir_all(&downloads)?;
        write_program(folder, &root)
    }
}

/// `apt-get` that knows one release alone, and keeps what it knows in that folder.
fn apt(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new("apt-get");
    for (setting, value) in [
        ("Dir::Etc::sourcelist", folder.join("sources.list")),
        ("Dir::Etc::sourceparts", PathBuf::from("/dev/null")),
        ("Dir::Etc::preferences", PathBuf::from("/dev/null")),
        ("Dir::Etc::preferencesparts", PathBuf::from("/dev/null")),
        ("Dir::State::lists", folder.join("lists")),
        ("Dir::Cache", folder.join("cache")),
    ] {
        command.arg("-o").arg(format!("{setting}={}", value.display()));
    }
    // Root's apt downloads as another user, who may not enter this folder.
    command.args(["-o", "APT::Sandbox::User=root"]).args(arguments);
    command
}

/// A script that runs the unpacked program with its own release's loader and libraries, wherever the folder is moved to.
fn write_program(folder: &Path, root: &Path) -> anyhow::Result<()> {
    let libraries = [format!("usr/lib/{ARCH}-linux-gnu"), format!("lib/{ARCH}-linux-gnu")];
    let loader = libraries
        .iter()
        .filter_map(|libraries| Some((libraries, fs::read_dir(root.join(libraries)).ok()?)))
        .flat_map(|(libraries, files)| files.flatten().map(move |file| (libraries, file.file_name())))
        .find(|(_, name)| name.to_string_lossy().starts_with("ld-linux"))
        .map(|(libraries, name)| format!("{libraries}/{}", name.to_string_lossy()))
        .context("the package libc6 has no loader")?;
    let [usr, lib] = &libraries;
    let text = format!(
        "#!/bin/sh\n\
         root=$(CDPATH= cd -- \"$(dirname -- \"$0\")\" && pwd)/root\n\
         exec \"$root/{loader}\" --library-path \"$root/{usr}:$root/{lib}\" \"$root/usr/sbin/pgbouncer\" \"$@\"\n"
    );
    let program = folder.join("pgbouncer");
    fs::write(&program, text)?;
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755))?;
    Ok(())
}
