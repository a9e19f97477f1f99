//! Columns of text.

/// Prints rows under a heading, each column as wide as its widest cell. Nothing is cut: a terminal may wrap, a pipe
/// must not lose anything.
pub(crate) fn print<const N: usize>(heading: [&str; N], rows: &[[String; N]]) {
    print!("{}", text(heading, rows));
}

fn text<const N: usize>(heading: [&str; N], rows: &[[String; N]]) -> String {
    let all: Vec<[String; N]> = std::iter::once(heading.map(str::to_owned))
        .chain(rows.iter().map(|row| row.each_ref().map(|cell| one_line(cell))))
        .collect();
    let mut widths = [0; N];
    for row in &all {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut text = String::new();
    for row in &all {
        let cells: Vec<String> = row.iter().zip(widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// What comes from a database must neither break a row nor speak to the terminal.
fn one_line(cell: &str) -> String {
    cell.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn columns_line_up_and_rows_stay_rows() {
        let rows = [["a".to_owned(), "two\nlines".to_owned()], ["äöü".to_owned(), "\u{1b}[31m".to_owned()]];
        assert_eq!(text(["ID", "TEXT"], &rows), "ID   TEXT\na    two lines\näöü   [31m\n");
    }
}
