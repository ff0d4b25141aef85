//! Tables that people and `awk` can read.

use comfy_table::{Row, Table, presets};

/// A table without lines, from its headings and rows.
pub(super) fn plain<R: Into<Row>>(headings: impl Into<Row>, rows: impl IntoIterator<Item = R>) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_header(headings).add_rows(rows);
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table
}
