//! Applications of a user, built by Cargo in a folder of their own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// The profile of the repository's own `Cargo.toml`: Cargo takes up a dependency again only if it was built in the same way.
const PROFILE: &str = r#"
[profile.dev]
debug = "line-tables-only"

[profile.dev.package."*"]
debug = false
"#;

/// The repository's target folder.
#[must_use]
pub fn target() -> PathBuf {
    repository().join("target")
}

/// The repository's root.
#[must_use]
pub fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the tests lie in the repository").to_owned()
}

/// A Cargo project in a temporary folder. It shares the repository's target folder and profile, so that dependencies are not
/// built again.
#[derive(Debug)]
pub struct App {
    folder: tempfile::TempDir,
}

impl App {
    /// An empty folder with the repository's lock file, so that it builds the very same dependencies.
    ///
    /// # Panics
    /// When the folder cannot be made.
    #[must_use]
    pub fn new() -> Self {
        let folder = tempfile::Builder::new().prefix("specql-app-").tempdir().expect("a temporary folder");
        fs::copy(repository().join("Cargo.lock"), folder.path().join("Cargo.lock")).expect("Cargo.lock");
        Self { folder }
    }

    /// A project made from the template, as `cargo generate` does it (liquid over every file that is not excluded), with the
    /// published crates' names meaning the checkout.
    ///
    /// # Panics
    /// When the template does not render.
    #[must_use]
    pub fn from_template(name: &str) -> Self {
        let app = Self::new();
        let template = repository().join("template");
        let parser = liquid::ParserBuilder::with_stdlib().build().expect("the standard library");
        let variables = liquid::object!({ "project-name": name, "crate_name": name.replace('-', "_") });
        let read = |file: &str| fs::read_to_string(template.join(file)).unwrap_or_else(|e| panic!("{file}: {e}"));
        for file in ["Cargo.toml", "build.rs", "src/main.rs", "src/greeter.rs", "README.md", ".gitignore"] {
            let rendered = parser.parse(&read(file)).and_then(|template| template.render(&variables));
            app.write(file, &rendered.unwrap_or_else(|error| panic!("{file}: {error}")));
        }
        for file in ["entities/guest.yaml", "registry/service_registry.yaml"] {
            app.write(file, &read(file));
        }
        app.use_checkout();
        app
    }

    /// Its folder.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file; its folders are made.
    ///
    /// # Panics
    /// When that fails.
    pub fn write(&self, path: &str, text: &str) {
        let path = self.path().join(path);
        fs::create_dir_all(path.parent().expect("a file has a folder")).expect("folders");
        fs::write(&path, text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }

    /// Reads a file.
    ///
    /// # Panics
    /// When it is not there.
    #[must_use]
    pub fn read(&self, path: &str) -> String {
        fs::read_to_string(self.path().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }

    /// Makes the published crates' names in `Cargo.toml` mean the checkout.
    ///
    /// # Panics
    /// When there is no `Cargo.toml`.
    pub fn use_checkout(&self) {
        let root = repository();
        let crates = [
            ("specql-registry", "registry"),
            ("specql-compiler", "specql-compiler"),
            ("specql-macros", "specql-macros"),
            ("specql-runtime", "specql-runtime"),
        ];
        let mut manifest = self.read("Cargo.toml") + PROFILE + "\n[workspace]\n\n[patch.crates-io]\n";
        for (name, folder) in crates {
            manifest += &format!("{name} = {{ path = {:?} }}\n", root.join(folder));
        }
        self.write("Cargo.toml", &manifest);
    }

    /// A folder for the application's embedded server, which another user must be able to enter when this is root.
    ///
    /// # Panics
    /// When the folder cannot be opened to others.
    #[must_use]
    pub fn server_folder(&self) -> PathBuf {
        use std::os::unix::fs::PermissionsExt as _;

        fs::set_permissions(self.path(), fs::Permissions::from_mode(0o755)).expect("our own folder");
        self.path().join("server")
    }

    /// `cargo` in this folder, as on a developer's machine (`CI` is not set).
    #[must_use]
    pub fn cargo(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO"));
        command
            .args(arguments)
            .current_dir(self.path())
            .env("CARGO_TARGET_DIR", target())
            .env_remove("CI")
            .env_remove("DATABASE_URL");
        command
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

/// Runs it and gives what it printed; fails with both outputs when it does.
///
/// # Panics
/// When the command fails.
pub fn succeed(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert!(
        output.status.success(),
        "{command:?}: {}\n{}{}",
        output.status,
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}
