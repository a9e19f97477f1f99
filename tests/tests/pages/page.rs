//! A page as one project, and its statements.

use anyhow::{Context as _, ensure};
use specql_compiler::Compilation;
use specql_tests::{app::repository, compiled};
use sqlx::{AssertSqlSafe, Executor as _, PgConnection};

pub(crate) struct Page {
    /// Path and text of each file that the page shows, in its order.
    files: Vec<(String, String)>,
    /// Each with the answer in the comments behind it.
    pub(crate) statements: Vec<(String, Option<String>)>,
}

impl Page {
    /// A block that begins with `# path`, or `-- path` in SQL, is a file; one that begins with `  - name:` goes on with the last entity.
    pub(crate) fn read(name: &str) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(repository().join("docs").join(name))?;
        let mut page = Self { files: Vec::new(), statements: Vec::new() };
        for block in text.split("\n```").skip(1).step_by(2) {
            let (language, text) = block.split_once('\n').context("a block without an end")?;
            match language {
                "yaml" => page.file(&format!("{text}\n"))?,
                "sql" if is_file(text) => page.files.push(body(text)?),
                "sql" => page.statements.append(&mut statements(text)?),
                _ => {}
            }
        }
        Ok(page)
    }

    fn file(&mut self, text: &str) -> anyhow::Result<()> {
        if text.starts_with("  - name: ") {
            let mut entities = self.files.iter_mut().filter(|(path, _)| path.starts_with("entities/"));
            entities.next().context("an action of no entity")?.1 += text;
            return Ok(());
        }
        let (path, _) = text.split_once('\n').context("an empty file")?;
        let path = path.strip_prefix("# ").with_context(|| format!("a sample without its path:\n{text}"))?;
        self.files.push((path.to_owned(), text.to_owned()));
        Ok(())
    }

    /// Changes what the files say at one place.
    pub(crate) fn replace(&mut self, from: &str, to: &str) {
        let places: usize = self.files.iter().map(|(_, text)| text.matches(from).count()).sum();
        assert_eq!(places, 1, "{from}");
        self.files.iter_mut().for_each(|(_, text)| *text = text.replace(from, to));
    }

    /// The project of the page.
    pub(crate) fn project(&self) -> anyhow::Result<Compilation> {
        compiled::files(&self.files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect::<Vec<_>>())
    }

    /// Runs the statements, in order, in one session. How many of them said what they answer.
    pub(crate) async fn run(&self, session: &mut PgConnection) -> anyhow::Result<usize> {
        let mut answered = 0;
        for (statement, answer) in &self.statements {
            let Some(answer) = answer else {
                session
                    .execute(sqlx::raw_sql(AssertSqlSafe(statement.clone())))
                    .await
                    .with_context(|| statement.clone())?;
                continue;
            };
            let rows = format!("SELECT string_agg(answer::text, ' ') FROM ({statement}) AS answer");
            let said: Option<String> = sqlx::query_scalar(AssertSqlSafe(rows))
                .fetch_one(&mut *session)
                .await
                .with_context(|| statement.clone())?;
            ensure!(said.as_ref() == Some(answer), "{statement}\n-- {}", said.unwrap_or_default());
            answered += 1;
        }
        Ok(answered)
    }
}

/// Whether a block of SQL is the file that its first line names.
fn is_file(text: &str) -> bool {
    text.lines().next().is_some_and(|line| line.starts_with("-- ") && line.ends_with(".sql"))
}

fn body(text: &str) -> anyhow::Result<(String, String)> {
    let (path, _) = text.split_once('\n').context("an empty file")?;
    Ok((path.trim_start_matches("-- ").to_owned(), text.to_owned()))
}

fn statements(sample: &str) -> anyhow::Result<Vec<(String, Option<String>)>> {
    let mut statements: Vec<(String, Option<String>)> = Vec::new();
    let mut begun = String::new();
    for line in sample.lines() {
        if let Some(answer) = line.strip_prefix("-- ") {
            statements.last_mut().context("an answer to no statement")?.1 = Some(answer.to_owned());
        } else if let Some(end) = line.strip_suffix(';') {
            statements.push((std::mem::take(&mut begun) + end, None));
        } else {
            begun = begun + line + "\n";
        }
    }
    ensure!(begun.is_empty(), "a statement has no end: {begun}");
    Ok(statements)
}
