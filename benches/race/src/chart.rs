//! The picture: a panel of bars for each of a few columns, the longest bar the best.

use std::fmt::Write as _;

use crate::report::{BULK, CALLBACK, Column, DRAIN, LATENCY, Report, SINGLE, number};

const PANELS: [Column; 5] = [DRAIN, BULK, SINGLE, CALLBACK, LATENCY];
const WIDTH: f64 = 820.0;
const NAMES: f64 = 210.0;
const FIGURES: f64 = 90.0;
const ROW: f64 = 20.0;
const HEAD: f64 = 34.0;

pub(crate) fn svg(report: &Report<'_>) -> String {
    let mut body = String::new();
    let mut top = 10.0;
    for panel in &PANELS {
        let mut bars: Vec<_> = report
            .entrants()
            .into_iter()
            .filter_map(|entrant| Some((entrant, report.value(entrant, panel)?)))
            .collect();
        bars.sort_by(|(_, a), (_, b)| if panel.more { b.total_cmp(a) } else { a.total_cmp(b) });
        let Some(longest) = bars.iter().map(|(_, value)| *value).reduce(f64::max) else { continue };
        let better = if panel.more { "more is better" } else { "less is better" };
        let _ = writeln!(body, r#"<text class="head" x="10" y="{}">{} ({better})</text>"#, top + 20.0, panel.title);
        top += HEAD;
        for (entrant, value) in bars {
            let width = (value / longest * (WIDTH - NAMES - FIGURES)).max(1.0);
            let class = if entrant.is_peer() { "peer" } else { "ours" };
            let (x, y) = (NAMES - 8.0, top + 14.0);
            let _ = writeln!(body, r#"<text class="name" x="{x}" y="{y}">{entrant}</text>"#);
            let _ = writeln!(
                body,
                r#"<rect class="{class}" x="{NAMES}" y="{top}" width="{width:.1}" height="{}"/>"#,
                ROW - 4.0
            );
            let figure = number(value, usize::from(!panel.more));
            let _ = writeln!(body, r#"<text x="{:.1}" y="{y}">{figure}</text>"#, NAMES + width + 6.0);
            top += ROW;
        }
    }
    let height = top + 10.0;
    // Grey and blue of a middle lightness: readable on white and on black.
    format!(
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="13" role="img" aria-label="SpecQL and other PostgreSQL job queues">
<style>text {{ fill: #808080 }} .head {{ font-weight: bold }} .name {{ text-anchor: end }} .ours {{ fill: #3b82f6 }} .peer {{ fill: #9ca3af }}</style>
{body}</svg>
"#
    )
}
