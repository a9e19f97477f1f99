//! The documentation's part that a race writes.

use std::path::Path;

use anyhow::Context;

use crate::{chart, report::Report};

const BEGIN: &str = "<!-- written by `race --write`, from here -->\n";
const END: &str = "<!-- to here -->\n";

pub(crate) fn write(report: &Report<'_>) -> anyhow::Result<()> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs");
    let page = folder.join("race.md");
    let text = std::fs::read_to_string(&page).with_context(|| format!("reading {}", page.display()))?;
    let (before, rest) = text.split_once(BEGIN).context("docs/race.md has lost the mark where the table begins")?;
    let (_, after) = rest.split_once(END).context("docs/race.md has lost the mark where the table ends")?;
    std::fs::write(&page, format!("{before}{BEGIN}\n{}\n{END}{after}", report.markdown()))?;
    std::fs::write(folder.join("race.svg"), chart::svg(report))?;
    println!("written: docs/race.md, docs/race.svg");
    Ok(())
}
