//! `specql explain`: the error manual.

use std::process::ExitCode;

use anyhow::bail;
use specql_compiler::internals::diagnostics::{rules, suggest};

use crate::table;

pub(super) fn run(code: Option<&str>) -> anyhow::Result<ExitCode> {
    let Some(code) = code else {
        let rows: Vec<_> = rules::ALL.iter().map(|rule| [rule.code.to_owned(), rule.name.to_owned()]).collect();
        table::print(["CODE", "NAME"], &rows);
        return Ok(ExitCode::SUCCESS);
    };
    let Some(rule) = rules::find(code) else {
        let hint = suggest(code, rules::ALL.iter().flat_map(|rule| [rule.code, rule.name]))
            .map(|near| format!("; did you mean `{near}`?"))
            .unwrap_or_default();
        bail!("there is no error `{code}`{hint} (`specql explain` lists all)");
    };
    println!("{} {}\n\n{}", rule.code, rule.name, rule.explanation.trim_end());
    Ok(ExitCode::SUCCESS)
}
